package kill

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
)

// object is one open file that is handed over. The harness closes its own copy
// as soon as the parent has one.
type object struct {
	name     string
	sort     string
	dev, ino uint64
	fd       int // the harness's copy, -1 once it is closed
	watch    int // the other end, which sees when the last copy is closed; -1: there is none
}

func (o *object) String() string { return fmt.Sprintf("%s (%s, inode %d)", o.name, o.sort, o.ino) }

// sorts are the kinds of objects: what is made, and what it is offered as.
var sorts = []struct {
	name   string
	kind   scmrights.Kind
	access scmrights.Access
	open   func() (fd, watch int, err error)
}{
	{"memfd", scmrights.KindMemfd, scmrights.AccessBoth, openMemfd},
	{"pipe", scmrights.KindPipe, scmrights.AccessWrite, openPipe},
	{"pty", scmrights.KindTTY, scmrights.AccessBoth, openPty},
}

func openMemfd() (int, int, error) {
	fd, err := unix.MemfdCreate("granted", unix.MFD_CLOEXEC)
	return fd, -1, os.NewSyscallError("memfd_create", err)
}

func openPipe() (int, int, error) {
	var p [2]int
	err := unix.Pipe2(p[:], unix.O_CLOEXEC)
	return p[1], p[0], os.NewSyscallError("pipe2", err)
}

func openPty() (int, int, error) {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, os.NewSyscallError("open(/dev/ptmx)", err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	}
	slave := -1
	if err == nil {
		slave, err = unix.Open("/dev/pts/"+strconv.Itoa(n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		unix.Close(master)
		return -1, -1, os.NewSyscallError("open(/dev/pts)", err)
	}
	return slave, master, nil
}

func newObject(name string, sort int) (*object, error) {
	o := &object{name: name, sort: sorts[sort].name}
	var err error
	if o.fd, o.watch, err = sorts[sort].open(); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(o.fd, &st); err != nil {
		o.drop()
		return nil, os.NewSyscallError("fstat", err)
	}
	o.dev, o.ino = uint64(st.Dev), st.Ino
	return o, nil
}

// in is the place of the object in a table, -1 when it is not there.
func (o *object) in(table []entry) int {
	for i, e := range table {
		if e.dev == o.dev && e.ino == o.ino {
			return i
		}
	}
	return -1
}

// release closes the harness's copy.
func (o *object) release() {
	if o.fd >= 0 {
		unix.Close(o.fd)
		o.fd = -1
	}
}

func (o *object) drop() {
	o.release()
	if o.watch >= 0 {
		unix.Close(o.watch)
		o.watch = -1
	}
}

// gone waits until the other end says that no copy is left anywhere, in no
// table and in no queue. What a dying process held in a queue is freed by a
// work item a moment after the process was reaped.
func (o *object) gone(patience time.Duration) error {
	if o.watch < 0 {
		return nil
	}
	limit := int(patience.Milliseconds())
	for {
		set := []unix.PollFd{{Fd: int32(o.watch)}} // POLLHUP is always asked for
		n, err := unix.Poll(set, limit)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n == 0:
			return finding(Leaked, "a copy of %v is open somewhere", o)
		}
		return nil
	}
}
