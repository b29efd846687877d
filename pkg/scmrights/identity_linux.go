package scmrights

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// Identity is what the parent found out about the worker's copy of a descriptor
// by fetching it (identity level 2).
type Identity uint8

// What a comparison can end in. A worker whose copy is another file is at
// fault; its grant has expired, or is aborted in ModeExclusive, and has IdentityOther.
const (
	IdentityUnchecked Identity = iota // not compared
	IdentitySame                      // the same open file description
	IdentityGone                      // the worker has no such number any more, or has ended
	IdentityOther                     // another open file description
)

var identityNames = map[Identity]string{
	IdentityUnchecked: "unchecked", IdentitySame: "same", IdentityGone: "gone", IdentityOther: "other",
}

func (i Identity) String() string { return wordOf(identityNames, i, "identity") }

// comparisons are the ways to ask whether two descriptors of this process are
// one open file description, the best first. The last can only say that they
// lead to one inode.
var comparisons = []struct {
	name string
	same func(a, b int) (bool, error)
}{
	{"F_DUPFD_QUERY", sys.SameByQuery},
	{"kcmp", sys.SameByKcmp},
	{"fstat", sameInode},
}

func sameInode(a, b int) (bool, error) {
	first, err := identify(a)
	if err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	second, err := identify(b)
	if err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	return first.same(second), nil
}

// sameOpenFile compares two descriptors of this process by the first way that
// this kernel knows. EBADF is an answer: one of the two is not open.
func sameOpenFile(a, b int) (bool, error) {
	var errs []error
	for _, c := range comparisons {
		same, err := c.same(a, b)
		if err == nil || errors.Is(err, unix.EBADF) {
			return same, err
		}
		errs = append(errs, err)
	}
	return false, errors.Join(errs...)
}

// compare fetches descriptor number of the worker by pidfd_getfd(2), compares
// it with the ledger's copy of g, and closes what it fetched. The number is the
// worker's own word; that it is open there and leads to the same open file is
// the kernel's.
func (c *Conn) compare(g *Grant, number int32) (Identity, error) {
	theirs, err := c.fetch(number)
	switch {
	case errors.Is(err, unix.EBADF), errors.Is(err, unix.ESRCH):
		return IdentityGone, err
	case err != nil:
		return IdentityUnchecked, err
	}
	defer func() { _ = theirs.Close() }()
	found := IdentityOther
	err = g.copy.Borrow(func(ours int) error {
		return theirs.Borrow(func(n int) error {
			same, err := sameOpenFile(ours, n)
			if same {
				found = IdentitySame
			}
			return err
		})
	})
	if err != nil {
		return IdentityUnchecked, err
	}
	return found, nil
}

// fetch returns a copy of the worker's descriptor, close-on-exec. It needs what
// ptrace attaching needs (pidfd_getfd(2), PTRACE_MODE_ATTACH_REALCREDS).
func (c *Conn) fetch(number int32) (*fd.FD, error) {
	if c.cfg.PidFD == nil {
		return nil, fmt.Errorf("%w: no Config.PidFD", ErrUnsupported)
	}
	raw, err := c.cfg.PidFD.SyscallConn()
	if err != nil {
		return nil, err
	}
	n := -1
	if e := raw.Control(func(pidfd uintptr) { n, err = unix.PidfdGetfd(int(pidfd), int(number), 0) }); e != nil {
		return nil, fmt.Errorf("Config.PidFD: %w", os.ErrClosed)
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_getfd", err)
	}
	return fd.Own(n), nil
}
