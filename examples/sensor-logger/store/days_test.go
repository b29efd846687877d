package main

import (
	"errors"
	"testing"
	"time"
)

func TestDaysTurn(t *testing.T) {
	var fail error
	asked := 0
	start := time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC)
	d := days{today: dayOf(start), next: func() error { asked++; return fail }}
	down := errors.New("no answer")
	for i, step := range []struct {
		at    time.Duration
		fail  error
		asked int
		today string
	}{
		{0, nil, 0, "2026-12-31"},
		{59 * time.Second, nil, 0, "2026-12-31"},
		{60 * time.Second, down, 1, "2026-12-31"},
		{61 * time.Second, down, 1, "2026-12-31"}, // not at every batch
		{121 * time.Second, nil, 2, "2027-01-01"},
		{122 * time.Second, nil, 2, "2027-01-01"},
		{25 * time.Hour, nil, 3, "2027-01-02"},
		{time.Hour, nil, 4, "2027-01-01"}, // the clock was set back
	} {
		fail = step.fail
		if err := d.turn(start.Add(step.at)); (err != nil) != (i == 2) {
			t.Errorf("step %d: %v", i, err)
		}
		if asked != step.asked || d.today != step.today {
			t.Errorf("step %d: asked %d times, day %s; want %d, %s", i, asked, d.today, step.asked, step.today)
		}
	}
	// A day is a day in UTC, wherever the machine believes to be.
	if got := dayOf(start.In(time.FixedZone("", 3600))); got != "2026-12-31" {
		t.Errorf("day %s", got)
	}
}
