package main

import (
	"sync"
	"time"
)

// lamp is on ('1') from an alert until hold has passed since the last one, and
// off ('0') otherwise.
type lamp struct {
	hold time.Duration
	set  func(level byte) error

	mu    sync.Mutex
	until time.Time
}

// alert switches the lamp on.
func (l *lamp) alert(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = now.Add(l.hold)
	return l.set('1')
}

// settle switches the lamp off unless a later alert still holds it.
func (l *lamp) settle(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.until) {
		return nil
	}
	return l.set('0')
}

// off switches the lamp off for good; the supervisor does so too when the
// worker is lost.
func (l *lamp) off() error { return l.settle(l.until) }
