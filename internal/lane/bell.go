package lane

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ringer is the write end of a receiver's bell, made so that ringing neither
// waits nor allocates. The file is borrowed.
type ringer struct {
	conn syscall.RawConn
	once func(fd uintptr) bool
}

func newRinger(f *os.File) (*ringer, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("bell %s: %w", f.Name(), err)
	}
	one := []byte{1}
	return &ringer{conn: conn, once: func(fd uintptr) bool {
		// A full pipe is a bell that rings already. EPIPE cannot happen, as the
		// parent keeps a read end. Either way there is nothing to do: the
		// receiver has a slow tick as well.
		_, _ = unix.Write(int(fd), one)
		return true // never wait for room
	}}, nil
}

func (r *ringer) ring() {
	if r != nil {
		_ = r.conn.Write(r.once)
	}
}
