package main

import (
	"testing"
	"time"
)

func TestLampHolds(t *testing.T) {
	var level string
	l := &lamp{hold: 5 * time.Second, set: func(b byte) error { level += string(b); return nil }}
	start := time.Now()
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	for i, step := range []struct {
		do   func(time.Time) error
		at   float64
		want string
	}{
		{l.alert, 0, "1"},
		{l.alert, 3, "11"},  // held longer
		{l.settle, 5, "11"}, // the first alert's time is over, the second's is not
		{l.settle, 7.9, "11"},
		{l.settle, 8, "110"},
		{l.alert, 20, "1101"},
	} {
		if err := step.do(at(step.at)); err != nil {
			t.Fatal(err)
		}
		if level != step.want {
			t.Fatalf("step %d at %v s: %q, want %q", i, step.at, level, step.want)
		}
	}
	if err := l.off(); err != nil || level != "11010" {
		t.Errorf("off: %q, %v", level, err)
	}
}
