package sysvctl

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Delays between two signals at a blocked thread.
const (
	firstSignal = 50 * time.Microsecond
	lastSignal  = 10 * time.Millisecond
)

// interrupter ties a thread to a context: when the context ends, a system call
// that the thread is blocked in comes back.
//
// The thread is then sent SIGURG, which the Go runtime handles and ignores,
// again and again until the call has come back: a signal that arrives just
// before the system call is taken and forgotten, and one would not do.
type interrupter struct {
	ctx      context.Context
	stop     func() bool // nil when the context never ends
	tid      int
	over     atomic.Bool // the context has ended
	inCall   atomic.Bool
	released chan struct{}
	gone     chan struct{}
}

// bind locks the calling goroutine to its thread until release.
func (i *interrupter) bind(ctx context.Context) {
	i.ctx = ctx
	if ctx.Done() == nil {
		return
	}
	runtime.LockOSThread()
	i.tid = unix.Gettid()
	i.released, i.gone = make(chan struct{}), make(chan struct{})
	i.over.Store(ctx.Err() != nil)
	i.stop = context.AfterFunc(ctx, i.signal)
}

// release undoes bind. No signal is sent after it, for the thread serves others.
func (i *interrupter) release() {
	if i.stop == nil {
		return
	}
	close(i.released)
	if !i.stop() {
		<-i.gone
	}
	i.stop = nil
	runtime.UnlockOSThread()
}

// do repeats call, which blocks in the kernel, until it ends with something
// else than EINTR or the context ends. System V calls are never restarted after
// a handled signal, whatever SA_RESTART says (signal(7)), so every one of them
// needs this loop.
//
// inCall is set before over is read, and signal sets over before it reads
// inCall: so either this side sees the end, or that side signals until this one
// has seen it.
func (i *interrupter) do(call func() error) error {
	for {
		i.inCall.Store(true)
		if i.over.Load() {
			i.inCall.Store(false)
			return context.Cause(i.ctx)
		}
		err := call()
		i.inCall.Store(false)
		if err != syscall.EINTR {
			return err
		}
	}
}

func (i *interrupter) signal() {
	defer close(i.gone)
	i.over.Store(true)
	pid := os.Getpid()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for delay := firstSignal; i.inCall.Load(); delay = min(2*delay, lastSignal) {
		select {
		case <-i.released:
			return
		case <-timer.C:
		}
		_ = unix.Tgkill(pid, i.tid, unix.SIGURG) // cannot fail: the thread waits for us
		timer.Reset(delay)
	}
}

// interruptible is one call under ctx.
func interruptible(ctx context.Context, call func() error) error {
	if ctx.Done() == nil {
		for {
			if err := call(); err != syscall.EINTR {
				return err
			}
		}
	}
	var i interrupter
	i.bind(ctx)
	defer i.release()
	return i.do(call)
}
