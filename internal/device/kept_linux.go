package device

import (
	"os"

	"golang.org/x/sys/unix"
)

// kept gives the predecessor's descriptor for the grant, if it is one for
// reading of the object that ref leads to. Whoever kept it meanwhile is not
// believed: another type, inode or device number is another object.
func (o Options) kept(name string, ref int) *os.File {
	if o.Kept == nil {
		return nil
	}
	f := o.Kept(name)
	if f == nil {
		return nil
	}
	same := false
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { same = sameObject(int(fd), ref) && readsOnly(fd) })
	}
	if !same {
		_ = f.Close()
		return nil
	}
	return f
}

func sameObject(a, b int) bool {
	var x, y unix.Stat_t
	if unix.Fstat(a, &x) != nil || unix.Fstat(b, &y) != nil {
		return false
	}
	return x.Mode&unix.S_IFMT == y.Mode&unix.S_IFMT && x.Dev == y.Dev && x.Ino == y.Ino && x.Rdev == y.Rdev
}

func readsOnly(fd uintptr) bool {
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY && flags&unix.O_PATH == 0
}
