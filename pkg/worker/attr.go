package worker

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sallyport/internal/reading"
)

// attrSize is the most an attribute may hold, in bytes. sysfs gives at most one
// page; /proc/meminfo, the longest text in use, has about 1,600 bytes.
const attrSize = 4096

// Attr is one value that this worker may read: a file of sysfs or proc, or a
// simulated input, opened by the supervisor. Several values may come from one
// file. It is safe for concurrent use.
type Attr struct {
	name, unit string
	decode     reading.Decoding
	grant      *grant
	lost       func() error // tells the supervisor

	mu    sync.Mutex
	buf   [attrSize]byte
	n     int
	err   error
	pread func(fd uintptr) // fills buf; made once, so that a read allocates nothing

	failing atomic.Bool // Values could not read it last time, and has said so
}

func newAttr(name, unit, decode string, g *grant, lost func() error) (*Attr, error) {
	d, err := reading.ParseDecode(decode)
	if err != nil {
		return nil, fail("sensor", name, err)
	}
	a := &Attr{name: name, unit: unit, decode: d, grant: g, lost: lost}
	a.pread = func(fd uintptr) {
		for {
			if a.n, a.err = unix.Pread(int(fd), a.buf[:], 0); a.err != unix.EINTR {
				return
			}
		}
	}
	return a, nil
}

// Name is the name of the sensor, under which its readings are sent.
func (a *Attr) Name() string { return a.name }

// Unit is the unit of the sensor, at most 8 bytes; "" where it has none.
func (a *Attr) Unit() string { return a.unit }

// Read takes the value as it is now, by one pread(2) at offset 0.
//
// ErrLost means that the device went away (ENODEV or EIO): the supervisor has
// been told, opens it again and grants it anew, and until then every Read gives
// ErrLost at once, without a system call. ErrNotGranted means that it was never
// there. Other errors are the kernel's, or say that the text holds no such
// number; the next Read may well succeed.
func (a *Attr) Read() (float64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.fill(); err != nil {
		return 0, fail("read", a.name, err)
	}
	v, err := a.decode.Value(a.buf[:a.n])
	if err != nil {
		return 0, fail("read", a.name, err)
	}
	return v, nil
}

func (a *Attr) fill() error {
	for {
		_, raw, err := a.grant.now()
		if err != nil {
			return err
		}
		// Control and not Read: a sysfs attribute never goes through the
		// poller. It also holds the file open against a new grant's close; when
		// that came first, the new file is the one to read.
		if raw.Control(a.pread) == nil {
			break
		}
	}
	switch {
	case errors.Is(a.err, unix.ENODEV), errors.Is(a.err, unix.EIO):
		if err := a.lost(); err != nil {
			return err
		}
		return ErrLost
	case a.err != nil:
		return a.err
	case a.n == 0:
		return io.ErrUnexpectedEOF
	}
	return nil
}
