package scmrights

import (
	"context"
	"time"
)

// Clock is the time that deadlines are measured with; Config.Clock replaces it
// in tests. AfterFunc calls f in a goroutine of its own after d; stop returns
// true when it kept f from being called, as time.Timer.Stop does.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// longAgo is a deadline that has passed: it wakes whoever waits in the poller.
var longAgo = time.Unix(1, 0)

// expireAfter makes set's deadline pass when d is over on the clock. The
// returned function takes it back, also when it is passing just now.
func expireAfter(clock Clock, d time.Duration, set func(time.Time) error) (undo func()) {
	done := make(chan struct{})
	stop := clock.AfterFunc(d, func() { defer close(done); _ = set(longAgo) })
	return func() {
		if !stop() {
			<-done
			_ = set(time.Time{})
		}
	}
}

// expireWith makes set's deadline pass when ctx ends.
func expireWith(ctx context.Context, set func(time.Time) error) (undo func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(done); _ = set(longAgo) })
	return func() {
		if !stop() {
			<-done
			_ = set(time.Time{})
		}
	}
}

// What ended a sleep.
const (
	overslept = iota // the time was over
	woken
	stopped
)

// sleep waits for d on the clock, for wake, or for stop, and says for which.
func sleep(clock Clock, d time.Duration, wake, stop <-chan struct{}) int {
	over := make(chan struct{})
	defer clock.AfterFunc(d, func() { close(over) })()
	select {
	case <-over:
		return overslept
	case <-wake:
		return woken
	case <-stop:
		return stopped
	}
}
