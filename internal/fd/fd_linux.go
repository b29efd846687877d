package fd

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// FD owns one descriptor. Its methods may be called from several goroutines.
// The zero value owns none, so that an FD can be a field, or the element of a
// slice, before it has a number. It must not be copied.
type FD struct {
	mu   sync.RWMutex // held for reading while the number is lent
	held int          // the number plus one; 0 when closed, released, or never taken
}

// Own takes over the descriptor number n, which nobody else may close from now
// on. It panics on a negative number: that is an unread error of the caller.
func Own(n int) *FD {
	d := &FD{}
	d.Own(n)
	return d
}

// Own makes d, which owns none and which no other goroutine knows yet, the owner
// of number n. It panics on a negative number and when d has one already, which
// would be lost.
func (d *FD) Own(n int) {
	if n < 0 {
		panic("fd: a negative number owned")
	}
	if d.held != 0 {
		panic("fd: a second number owned")
	}
	d.held = n + 1
	traceOpen(d)
}

// Dup borrows f for the call and returns an own descriptor for the same open
// file description, close-on-exec, never one of 0, 1, 2 (F_DUPFD_CLOEXEC,
// fcntl(2)). Offset, status flags and locks stay shared with f.
func Dup(f *os.File) (*FD, error) {
	n, err := DupNumber(f)
	if err != nil {
		return nil, err
	}
	return Own(n), nil
}

// DupNumber is Dup for a caller that gives the number to an FD of its own.
func DupNumber(f *os.File) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err // a nil file
	}
	controlErr := raw.Control(func(old uintptr) {
		n, err = sys.BriefFcntl(int(old), unix.F_DUPFD_CLOEXEC, 3)
	})
	if controlErr != nil {
		return -1, os.ErrClosed // the one reason; the runtime's own error value is not exported
	}
	return n, err
}

// Borrow calls use with the number, which stays open until use returns. On a
// closed FD use is not called and os.ErrClosed is returned. Use must not close
// d: it would wait for itself.
func (d *FD) Borrow(use func(n int) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.held == 0 {
		return os.ErrClosed
	}
	return use(d.held - 1)
}

// BorrowAll is Borrow for several descriptors at once; none of them may be
// there twice. The numbers are appended to room, which saves an allocation when
// it has the capacity, and are valid during use only.
func BorrowAll(all []*FD, room []int, use func(numbers []int) error) error {
	locked := 0
	defer func() {
		for _, d := range all[:locked] {
			d.mu.RUnlock()
		}
	}()
	for _, d := range all {
		d.mu.RLock()
		locked++
		if d.held == 0 {
			return os.ErrClosed
		}
		room = append(room, d.held-1)
	}
	return use(room)
}

// Close closes the descriptor. The second call, and a call after Release or
// File, do nothing and return nil. The descriptor is gone also when the kernel
// reports an error: close(2) is not to be tried again on Linux.
func (d *FD) Close() error {
	n, owned := d.Release()
	if !owned {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(n))
}

// Release gives the number away: the caller closes it from now on. It returns
// false when d had none any more.
func (d *FD) Release() (n int, owned bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, d.held = d.held-1, 0
	if n < 0 {
		return -1, false
	}
	traceClosed(d)
	return n, true
}

// File gives the descriptor away as an os.File, nil when d had none any more.
// The runtime's poller takes the file only if it is non-blocking; a blocking
// one is left as it is.
func (d *FD) File(name string) *os.File {
	n, owned := d.Release()
	if !owned {
		return nil
	}
	return os.NewFile(uintptr(n), name)
}

// CloseAll closes every one of them and returns the first error.
func CloseAll(all []*FD) error {
	var first error
	for _, d := range all {
		if err := d.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
