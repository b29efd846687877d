package scmrights

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// Balance is a ledger's account. Taken is always Open + Closed + Reclaimed.
type Balance struct {
	Taken     uint64 // copies made of offered descriptors
	Open      uint64 // of these, still held
	Closed    uint64 // closed: moved and receipted, given up, or by Conn.Close
	Reclaimed uint64 // given back to the caller
	Borrowed  uint64 // grants of Held items that are not given up: no copies of this ledger
	Pipes     uint64 // read ends of receipt pipes that are open now, without a spare one
}

// ledger counts the copies that the grants own: one of every descriptor that
// was offered, from before it is sent until it is accounted for. Because nobody
// else can close such a copy, what is sent is what was offered.
type ledger struct {
	mu      sync.Mutex
	balance Balance
}

// ownCopy is a descriptor that this package has made for itself, and what was
// seen of it.
type ownCopy struct {
	slot slot
	fd   fd.FD
}

// make dups f, and looks at the copy. With an error there is none.
func (o *ownCopy) make(f *os.File) error {
	n, err := fd.DupNumber(f)
	if err != nil {
		return err
	}
	o.fd.Own(n)
	if err := o.slot.describe(n); err != nil {
		_ = o.fd.Close()
		return err
	}
	return nil
}

// book books copies that were made, and grants of held items.
func (l *ledger) book(copies, borrowed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.balance.Taken += uint64(copies)
	l.balance.Open += uint64(copies)
	l.balance.Borrowed += uint64(borrowed)
}

// describe fills in the identity of descriptor n and refuses one that is not
// what the item says, so that a mix-up ends here and not in a worker.
func (s *slot) describe(n int) error {
	var err error
	if s.ident, err = identify(n); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if !s.kind.fits(s.ident.mode) {
		return fmt.Errorf("st_mode %#o is not of kind %s", s.ident.mode, s.kind)
	}
	return s.checkFlags(n)
}

// checkFlags compares what the item says with the status flags of descriptor n.
func (s *slot) checkFlags(n int) error {
	flags, err := sys.BriefFcntl(n, unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if err := s.checkAccess(flags); err != nil {
		return err
	}
	if s.kind.neverWaits() && flags&unix.O_NONBLOCK != 0 {
		// os.Open sets the flag on sysfs attributes, because epoll takes
		// them, and it is shared with the worker, whose os.NewFile would put
		// the file into its poller. Reads of such a file never wait.
		if _, err := sys.BriefFcntl(n, unix.F_SETFL, flags&^unix.O_NONBLOCK); err != nil {
			return err
		}
	}
	return nil
}

// checkAccess refuses a descriptor that allows less than the item says, and,
// where whoever opened it had the choice, one that allows more: a worker that is
// to read a memfd must not be able to write it. Sockets, eventfds and the like
// are always open for both.
func (s *slot) checkAccess(flags int) error {
	opened := flags & unix.O_ACCMODE
	switch {
	case s.access != AccessRead && opened == unix.O_RDONLY && s.kind.fileType() == unix.S_IFREG,
		s.access != AccessWrite && opened == unix.O_WRONLY:
		return fmt.Errorf("%w: access %s of a descriptor with flags %#x", ErrAccess, s.access, flags)
	case s.access != AccessBoth && opened == unix.O_RDWR && s.kind.opensByChoice():
		return fmt.Errorf("%w: access %s of one that is open for both; open it for that alone", ErrAccess, s.access)
	}
	return nil
}

// drop closes the copy of g, if there still is one. That of a Held is not ours.
func (l *ledger) drop(g *Grant) error {
	if g.held != nil {
		l.giveBack(g)
		return nil
	}
	n, owned := g.copy.Release()
	if !owned {
		return nil
	}
	l.struck(1)
	if fault.On("leak-fd") {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(n))
}

// giveBack books that the grant of a held item was given up.
func (l *ledger) giveBack(g *Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.borrows {
		g.borrows = false
		l.balance.Borrowed--
	}
}

// struck books copies as closed.
func (l *ledger) struck(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.balance.Open -= uint64(n)
	l.balance.Closed += uint64(n)
}

// dropMany is drop of several at once. Errors of close are not seen, and a
// worker has a copy of each.
func (l *ledger) dropMany(grants []*Grant, numbers []int) {
	if len(grants) == 1 {
		_ = l.drop(grants[0])
		return
	}
	for _, g := range grants {
		if n, owned := g.copy.Release(); owned { // of ModeMove and ModeExclusive: none is held
			numbers = append(numbers, n)
		}
	}
	l.struck(len(numbers))
	if fault.On("leak-fd") {
		return
	}
	fd.CloseNumbers(numbers)
}

// reclaim gives the copy of g to the caller, nil when there is none.
func (l *ledger) reclaim(g *Grant) *os.File {
	if g.held != nil {
		return nil
	}
	f := g.copy.File(g.slot.name)
	if f == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.balance.Open--
	l.balance.Reclaimed++
	return f
}

// dropAll closes every copy that the offers still have.
func (l *ledger) dropAll(offers []*offer) error {
	var errs []error
	for _, o := range offers {
		for i := range o.all {
			errs = append(errs, l.drop(&o.all[i]))
		}
	}
	return errors.Join(errs...)
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
