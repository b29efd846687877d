package landlock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// Rights are bits of linux/landlock.h: what is forbidden unless a rule allows it.
type Rights struct{ FS, Net, Scoped uint64 }

const (
	readAndExecute = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	firstFS        = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // all thirteen of the first version
)

// additions of each version of the interface, from landlock(7).
var additions = []struct {
	abi int
	add Rights
}{
	{1, Rights{FS: firstFS}},
	{2, Rights{FS: unix.LANDLOCK_ACCESS_FS_REFER}},
	{3, Rights{FS: unix.LANDLOCK_ACCESS_FS_TRUNCATE}},
	{4, Rights{Net: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP}},
	{5, Rights{FS: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}},
	{6, Rights{Scoped: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL}},
}

// Handled is everything that this version of the interface can forbid, as far as
// it is known here. 0 and less is no Landlock at all.
func Handled(abi int) Rights {
	var r Rights
	for _, a := range additions {
		if a.abi <= abi {
			r.FS |= a.add.FS
			r.Net |= a.add.Net
			r.Scoped |= a.add.Scoped
		}
	}
	return r
}

// ABI is the version that this kernel has. The error says in words why it has
// none.
func ABI() (int, error) {
	abi, err := sys.LandlockVersion()
	switch {
	case errors.Is(err, unix.ENOSYS):
		return 0, errors.New("this kernel is built without Landlock (CONFIG_SECURITY_LANDLOCK), or a container hides it")
	case errors.Is(err, unix.EOPNOTSUPP):
		return 0, errors.New("the security modules of this boot are without Landlock (kernel parameter lsm=landlock,...)")
	case err != nil:
		return 0, err
	}
	return abi, nil
}

// Ruleset is one under construction. It belongs to one thread.
type Ruleset struct {
	fd int
}

// New makes a ruleset that forbids everything that version abi can.
func New(abi int) (*Ruleset, error) {
	h := Handled(abi)
	if h.FS == 0 {
		return nil, fmt.Errorf("there is no Landlock ABI %d", abi)
	}
	fd, err := sys.LandlockRuleset(h.FS, h.Net, h.Scoped)
	if err != nil {
		return nil, err
	}
	return &Ruleset{fd}, nil
}

// File lets the file open at fd be read and executed.
func (r *Ruleset) File(fd int) error { return sys.LandlockAllow(r.fd, fd, readAndExecute) }

// Beneath lets what is at a path, and all beneath it, be read and executed.
func (r *Ruleset) Beneath(path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	rights := uint64(readAndExecute)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		rights |= unix.LANDLOCK_ACCESS_FS_READ_DIR
	}
	if err := sys.LandlockAllow(r.fd, fd, rights); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Restrict puts the calling thread, which has no_new_privs, under the rules for
// good, and releases the ruleset.
func (r *Ruleset) Restrict() error {
	err := sys.LandlockRestrict(r.fd)
	unix.Close(r.fd)
	return err
}
