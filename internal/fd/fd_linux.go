package fd

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// FD owns one descriptor. Its methods may be called from several goroutines.
type FD struct {
	mu sync.RWMutex // held for reading while the number is lent
	n  int          // -1 when closed or released
}

// Own takes over the descriptor number n, which nobody else may close from now
// on. It panics on a negative number: that is an unread error of the caller.
func Own(n int) *FD {
	if n < 0 {
		panic("fd: a negative number owned")
	}
	d := &FD{n: n}
	traceOpen(d)
	return d
}

// Dup borrows f for the call and returns an own descriptor for the same open
// file description, close-on-exec, never one of 0, 1, 2 (F_DUPFD_CLOEXEC,
// fcntl(2)). Offset, status flags and locks stay shared with f.
func Dup(f *os.File) (*FD, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err // a nil file
	}
	var n int
	var dupErr error
	err = raw.Control(func(old uintptr) {
		n, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3)
	})
	if err != nil {
		return nil, os.ErrClosed // the one reason; the runtime's own error value is not exported
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", dupErr)
	}
	return Own(n), nil
}

// Borrow calls use with the number, which stays open until use returns. On a
// closed FD use is not called and os.ErrClosed is returned. Use must not close
// d: it would wait for itself.
func (d *FD) Borrow(use func(n int) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.n < 0 {
		return os.ErrClosed
	}
	return use(d.n)
}

// BorrowAll is Borrow for several descriptors at once; none of them may be
// there twice.
func BorrowAll(all []*FD, use func(numbers []int) error) error {
	numbers := make([]int, 0, len(all))
	for _, d := range all {
		d.mu.RLock()
		defer d.mu.RUnlock()
		if d.n < 0 {
			return os.ErrClosed
		}
		numbers = append(numbers, d.n)
	}
	return use(numbers)
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
	n, d.n = d.n, -1
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
