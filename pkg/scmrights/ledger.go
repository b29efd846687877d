package scmrights

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/fd"
)

// Balance is a ledger's account. Taken is always Open + Closed + Reclaimed.
type Balance struct {
	Taken     uint64 // copies made of offered descriptors
	Open      uint64 // of these, still held
	Closed    uint64 // closed: moved and receipted, given up, or by Conn.Close
	Reclaimed uint64 // given back to the caller
	Pipes     uint64 // read ends of receipt pipes that are open now
}

// ledger owns a copy of every descriptor that was offered, from before it is
// sent until it is accounted for. Because it never keeps a number that somebody
// else can close, what is sent is what was offered.
type ledger struct {
	mu      sync.Mutex
	copies  map[*Grant]*fd.FD
	balance Balance
}

// hold dups f and fills in what the slot says about it.
func (l *ledger) hold(g *Grant, f *os.File) error {
	d, err := fd.Dup(f)
	if err != nil {
		return err
	}
	if err := d.Borrow(g.slot.describe); err != nil {
		_ = d.Close()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.copies == nil {
		l.copies = make(map[*Grant]*fd.FD)
	}
	l.copies[g] = d
	l.balance.Taken++
	l.balance.Open++
	return nil
}

// describe fills in the identity of descriptor n and refuses one that is not
// what the item says, so that a mix-up ends here and not in a worker.
func (s *slot) describe(n int) error {
	ident, err := identify(n)
	if err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if !s.kind.fits(ident.mode) {
		return fmt.Errorf("%s: st_mode %#o is not of kind %s", s.name, ident.mode, s.kind)
	}
	flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFL, 0)
	if err != nil {
		return os.NewSyscallError("fcntl(F_GETFL)", err)
	}
	opened := flags & unix.O_ACCMODE
	if s.access != AccessRead && opened == unix.O_RDONLY && s.kind.fileType() == unix.S_IFREG ||
		s.access != AccessWrite && opened == unix.O_WRONLY {
		return fmt.Errorf("%s: access %s of a descriptor with flags %#x", s.name, s.access, flags)
	}
	if s.kind.neverWaits() && flags&unix.O_NONBLOCK != 0 {
		// os.Open sets the flag on sysfs attributes, because epoll takes
		// them, and it is shared with the worker, whose os.NewFile would put
		// the file into its poller. Reads of such a file never wait.
		if _, err := unix.FcntlInt(uintptr(n), unix.F_SETFL, flags&^unix.O_NONBLOCK); err != nil {
			return os.NewSyscallError("fcntl(F_SETFL)", err)
		}
	}
	s.ident = ident
	return nil
}

// lookup returns the copies of the grants in their order; it is false when one
// is not held any more.
func (l *ledger) lookup(grants []*Grant) ([]*fd.FD, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	copies := make([]*fd.FD, len(grants))
	for i, g := range grants {
		if copies[i] = l.copies[g]; copies[i] == nil {
			return nil, false
		}
	}
	return copies, true
}

// drop closes the copy of g, if there still is one.
func (l *ledger) drop(g *Grant) error {
	l.mu.Lock()
	d := l.copies[g]
	if d == nil {
		l.mu.Unlock()
		return nil
	}
	delete(l.copies, g)
	l.balance.Open--
	l.balance.Closed++
	l.mu.Unlock()
	if fault.On("leak-fd") {
		return nil
	}
	return d.Close()
}

// reclaim gives the copy of g to the caller, nil when there is none.
func (l *ledger) reclaim(g *Grant) *os.File {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.copies[g]
	if d == nil {
		return nil
	}
	delete(l.copies, g)
	l.balance.Open--
	l.balance.Reclaimed++
	return d.File(g.slot.name)
}

// dropAll closes every copy; it returns the first error.
func (l *ledger) dropAll() error {
	l.mu.Lock()
	var all []*Grant
	for g := range l.copies {
		all = append(all, g)
	}
	l.mu.Unlock()
	var first error
	for _, g := range all {
		if err := l.drop(g); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (l *ledger) pipe(change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.balance.Pipes += uint64(change)
}

func (l *ledger) account() Balance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.balance
}
