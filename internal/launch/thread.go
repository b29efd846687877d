package launch

import (
	"context"
	"runtime"
)

// Thread is the one operating system thread that clones workers: their
// parent-death signal follows the thread, prctl(2). Its end is the end of
// whatever worker is left, and so is an exec by another thread of the process;
// an exec by this one is not (tests/succession shows it).
type Thread struct {
	work chan func()
	over chan struct{} // closed when Serve is about to return
}

// NewThread makes one that does nothing until Serve.
func NewThread() *Thread {
	return &Thread{work: make(chan func()), over: make(chan struct{})}
}

// Serve makes the calling goroutine's thread the one, until Close. The goroutine
// is locked to it for good: when it ends, the thread does, unless it is the
// process's first.
func (t *Thread) Serve() {
	runtime.LockOSThread()
	defer close(t.over)
	for do := range t.work {
		do()
	}
}

// Do runs do on the thread and waits for its end; when ctx ends before it was
// begun, it is not run.
func (t *Thread) Do(ctx context.Context, do func()) error {
	done := make(chan struct{})
	select {
	case t.work <- func() { defer close(done); do() }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends Serve and waits for that. Nobody may call Do any more.
func (t *Thread) Close() {
	close(t.work)
	<-t.over
}
