package main

import (
	"testing"
	"time"
)

func TestPatience(t *testing.T) {
	for epoch, want := range map[uint32]time.Duration{1: 4 * time.Second, 2: 10 * time.Second, 77: 10 * time.Second} {
		if got := patience(epoch); got != want {
			t.Errorf("epoch %d: %v, want %v", epoch, got, want)
		}
	}
}
