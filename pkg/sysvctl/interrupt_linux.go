package sysvctl

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Delays between two signals at a blocked thread.
const (
	firstSignal = 50 * time.Microsecond
	lastSignal  = 10 * time.Millisecond
)

// interruptible repeats call, which blocks in the kernel, until it ends with
// something else than EINTR or ctx ends. System V calls are never restarted
// after a handled signal, whatever SA_RESTART says (signal(7)), so every one of
// them needs this loop.
//
// When ctx ends the thread is sent SIGURG, which the Go runtime handles and
// ignores, again and again until the call has come back: a signal that arrives
// just before the system call is taken and forgotten, and one would not do.
func interruptible(ctx context.Context, call func() error) error {
	if ctx.Done() == nil {
		for {
			if err := call(); err != syscall.EINTR {
				return err
			}
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, tid := os.Getpid(), unix.Gettid()
	back, gone := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(gone)
		signalUntil(back, pid, tid)
	})
	defer func() {
		close(back)
		if !stop() {
			<-gone // no signal may reach this thread once it serves others
		}
	}()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

func signalUntil(back <-chan struct{}, pid, tid int) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for delay := firstSignal; ; delay = min(2*delay, lastSignal) {
		select {
		case <-back:
			return
		case <-timer.C:
		}
		_ = unix.Tgkill(pid, tid, unix.SIGURG) // cannot fail: the thread waits for us
		timer.Reset(delay)
	}
}
