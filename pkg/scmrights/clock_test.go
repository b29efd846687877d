package scmrights_test

import (
	"sync"
	"testing"
	"time"
)

// handClock is a Clock that stands still until the test moves it.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*handTimer
	set    chan struct{} // one signal a timer that was set
}

type handTimer struct {
	at   time.Time
	f    func()
	d    time.Duration
	done bool
}

func newHandClock() *handClock {
	return &handClock{now: time.Unix(1_000_000, 0), set: make(chan struct{}, 1000)}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{at: c.now.Add(d), f: f, d: d}
	c.timers = append(c.timers, t)
	c.set <- struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		was := t.done
		t.done = true
		return !was
	}
}

// waitFor returns when a timer of this length is running.
func (c *handClock) waitFor(t *testing.T, d time.Duration) {
	t.Helper()
	for !c.running(d) {
		select {
		case <-c.set:
		case <-limit(t).Done():
			t.Fatalf("nobody set a timer of %v", d)
		}
	}
}

func (c *handClock) running(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, timer := range c.timers {
		if timer.d == d && !timer.done {
			return true
		}
	}
	return false
}

// advance moves the time and calls what is due.
func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	for _, t := range c.timers {
		if !t.done && !t.at.After(c.now) {
			t.done = true
			due = append(due, t.f)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}

// leapClock is the system's, but every look at it is a second later.
type leapClock struct {
	mu    sync.Mutex
	looks time.Duration
}

func (c *leapClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks += time.Second
	return time.Unix(1_000_000, 0).Add(c.looks)
}

func (c *leapClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}
