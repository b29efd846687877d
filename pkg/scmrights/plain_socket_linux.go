package scmrights

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
)

// Socket sends and receives descriptors over one AF_UNIX socket of type
// SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM, connected or not: the plain layer,
// without the protocol of [Conn] and [Peer] and of use without them. It never
// blocks a thread; waiting is done by the runtime's poller, up to the deadlines.
// Its methods may be called from several goroutines.
type Socket struct {
	conn syscall.Conn
	raw  syscall.RawConn
	kind int // SO_TYPE

	sending sync.Mutex // a stream's bytes stay together

	mu    sync.Mutex
	creds bool  // SO_PASSCRED is on: receiving needs room for credentials
	pidfd bool  // SO_PASSPIDFD is on: and for a pidfd
	reset error // a reset that was told before the records that the peer had sent
}

// NewSocket takes c, an *os.File, a *net.UnixConn, or what [Raw] makes of a
// syscall.RawConn, and Close closes it. On an error c is still the caller's. An
// *os.File that the poller cannot wait for, which is what os.NewFile makes of a
// blocking descriptor, gets a new number and is made non-blocking, which every
// holder of the same open file description sees. A socket that is not AF_UNIX is
// an [ErrUnsupported].
func NewSocket(c syscall.Conn) (*Socket, error) {
	s, err := newSocket(c)
	if err != nil {
		return nil, &Error{Op: "open", Err: err}
	}
	return s, nil
}

func newSocket(c syscall.Conn) (*Socket, error) {
	s := &Socket{conn: c}
	var err error
	if s.raw, err = c.SyscallConn(); err != nil {
		return nil, err
	}
	var domain, creds, pidfd int
	err = s.control(func(n int) (err error) {
		if domain, err = unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
			return err
		}
		if s.kind, err = unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
			return err
		}
		creds, err = unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_PASSCRED)
		pidfd, _ = unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_PASSPIDFD) // before Linux 6.5 there is none
		return err
	})
	switch {
	case err != nil:
		return nil, answer("getsockopt", err)
	case domain != unix.AF_UNIX:
		return nil, fmt.Errorf("%w: a socket of domain %d cannot carry descriptors, only AF_UNIX can", ErrUnsupported, domain)
	}
	s.creds, s.pidfd = creds != 0, pidfd != 0
	if f, isFile := c.(*os.File); isFile && errors.Is(f.SetDeadline(time.Time{}), os.ErrNoDeadline) {
		return s, s.poll(f)
	}
	return s, nil
}

// poll puts a file of the poller in the place of f.
func (s *Socket) poll(f *os.File) error {
	d, err := fd.Dup(f)
	if err != nil {
		return err
	}
	err = d.Borrow(func(n int) error { return os.NewSyscallError("fcntl(F_SETFL)", unix.SetNonblock(n, true)) })
	if err != nil {
		_ = d.Close()
		return err
	}
	polled := d.File(f.Name())
	if s.raw, err = polled.SyscallConn(); err != nil {
		_ = polled.Close()
		return err
	}
	s.conn = polled
	_ = f.Close()
	return nil
}

// Raw makes a syscall.RawConn fit where a syscall.Conn is asked for: as the
// socket of NewSocket, and among the Files of a Packet. It is borrowed: whoever
// made it closes it and sets its deadlines.
func Raw(raw syscall.RawConn) syscall.Conn { return rawConn{raw} }

type rawConn struct{ raw syscall.RawConn }

func (r rawConn) SyscallConn() (syscall.RawConn, error) { return r.raw, nil }

// control lends the socket's number to use. Errors are use's own, or ErrClosed.
func (s *Socket) control(use func(n int) error) error {
	var err error
	if s.raw.Control(func(n uintptr) { err = use(int(n)) }) != nil {
		return ErrClosed
	}
	return err
}

// SetReadDeadline ends a Receive that waits at t; zero means never. It works on
// an *os.File and on connections of package net; else it is os.ErrNoDeadline.
func (s *Socket) SetReadDeadline(t time.Time) error {
	if c, settable := s.conn.(interface{ SetReadDeadline(time.Time) error }); settable {
		return c.SetReadDeadline(t)
	}
	return os.ErrNoDeadline
}

// SetWriteDeadline is SetReadDeadline for a Send that waits for room.
func (s *Socket) SetWriteDeadline(t time.Time) error {
	if c, settable := s.conn.(interface{ SetWriteDeadline(time.Time) error }); settable {
		return c.SetWriteDeadline(t)
	}
	return os.ErrNoDeadline
}

// PassCredentials asks the kernel for the sender's process, user and group
// beside everything that is received (SO_PASSCRED, unix(7)). What was sent
// before comes with the ids of nobody. A datagram socket without an address gets
// one in the abstract name space when it is next used for sending.
func (s *Socket) PassCredentials(on bool) error {
	return s.setPass("setsockopt(SO_PASSCRED)", unix.SO_PASSCRED, on, &s.creds)
}

// PassPidfd asks the kernel for a pidfd of the sender beside everything that is
// received (SO_PASSPIDFD, Linux 6.5; before, [ErrUnsupported]). Each takes a
// descriptor number of this process until it is closed.
func (s *Socket) PassPidfd(on bool) error {
	return s.setPass("setsockopt(SO_PASSPIDFD)", unix.SO_PASSPIDFD, on, &s.pidfd)
}

func (s *Socket) setPass(call string, option int, on bool, now *bool) error {
	value := 0
	if on {
		value = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.control(func(n int) error { return unix.SetsockoptInt(n, unix.SOL_SOCKET, option, value) })
	if err != nil {
		return &Error{Op: "set", Err: answer(call, err)}
	}
	*now = on
	return nil
}

// Close closes what NewSocket took. Calls that wait end with [ErrClosed].
func (s *Socket) Close() error {
	if c, closable := s.conn.(io.Closer); closable {
		return c.Close()
	}
	return nil
}

// isStream says that the socket keeps no boundaries of records.
func (s *Socket) isStream() bool { return s.kind == unix.SOCK_STREAM }

// hasEnd says that receiving nothing at all is how the end looks.
func (s *Socket) hasEnd() bool { return s.kind != unix.SOCK_DGRAM }
