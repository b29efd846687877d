package scmrights

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// What a Socket answers, beside the errors of the whole package. Each stands for
// one thing that a caller can do about it; the errno is wrapped beside it.
var (
	// ErrEmpty: descriptors need at least one byte of data (on SOCK_DGRAM none), and a record must not be empty; nothing was sent.
	ErrEmpty = errors.New("no data to send with")
	// ErrTooMany: more than 253 descriptors, or more buffers than one record can have; nothing was sent.
	ErrTooMany = errors.New("too many for one packet")
	// ErrTooLong: the record does not fit the send buffer at all; send less, or raise SO_SNDBUF.
	ErrTooLong = errors.New("the record is too long for the socket")
	// ErrBadFile: one of the files has a descriptor that is not open; nothing was sent.
	ErrBadFile = errors.New("a descriptor to be sent is not open")
	// ErrInFlight: this user has more descriptors in flight than its RLIMIT_NOFILE; wait until receivers have taken some.
	ErrInFlight = errors.New("too many descriptors in flight")
	// ErrDenied: the permissions of the address, a receiver that takes no descriptors, credentials of others, or a security module.
	ErrDenied = errors.New("not permitted")
	// ErrNobody: nobody receives at the address (now); it can be tried again later.
	ErrNobody = errors.New("nobody receives there")
	// ErrPeerGone: the connection has ended; open another one.
	ErrPeerGone = errors.New("the peer is gone")
	// ErrNotConnected: the socket has no peer and the packet no address.
	ErrNotConnected = errors.New("no address to send to")
	// ErrConnected: the socket has a peer already and takes no address.
	ErrConnected = errors.New("connected already")
	// ErrWrongType: the receiver's socket is of another type or family.
	ErrWrongType = errors.New("a socket of another type")
	// ErrNotSocket: the file is no socket.
	ErrNotSocket = errors.New("not a socket")
	// ErrInvalid: the kernel does not take this combination of arguments, address or kind of descriptor.
	ErrInvalid = errors.New("not accepted by the kernel")
	// ErrNoProcess: the credentials name a process that is not there.
	ErrNoProcess = errors.New("no such process")
	// ErrNoMemory: the kernel is short of memory, buffers or open files for now; nothing was sent.
	ErrNoMemory = errors.New("the kernel has no room for it now")
	// ErrNetwork: an answer that only sockets of a network give.
	ErrNetwork = errors.New("an answer of a network socket")
	// ErrInterrupted: a signal came first. Calls of this package go on by themselves.
	ErrInterrupted = errors.New("interrupted by a signal")
)

// answers has a line for every errno of the ERRORS sections of send(2) and
// unix(7), of FreeBSD's sendmmsg(2), and of path_resolution(7), which an address
// goes through.
var answers = map[syscall.Errno]error{
	unix.EAGAIN:          ErrBlocked, // and EWOULDBLOCK
	unix.EINTR:           ErrInterrupted,
	unix.EBADF:           ErrBadFile,
	unix.EACCES:          ErrDenied,
	unix.EPERM:           ErrDenied,
	unix.EROFS:           ErrDenied,
	unix.EINVAL:          ErrInvalid,
	unix.EFAULT:          ErrInvalid,
	unix.ENAMETOOLONG:    ErrInvalid,
	unix.ELOOP:           ErrInvalid,
	unix.EMSGSIZE:        ErrTooLong,
	unix.ETOOMANYREFS:    ErrInFlight,
	unix.ECONNREFUSED:    ErrNobody,
	unix.ENOENT:          ErrNobody,
	unix.ENOTDIR:         ErrNobody,
	unix.EPIPE:           ErrPeerGone,
	unix.ECONNRESET:      ErrPeerGone,
	unix.ENOTCONN:        ErrNotConnected,
	unix.EDESTADDRREQ:    ErrNotConnected,
	unix.EISCONN:         ErrConnected,
	unix.EPROTOTYPE:      ErrWrongType,
	unix.EPROTONOSUPPORT: ErrWrongType,
	unix.ESOCKTNOSUPPORT: ErrWrongType,
	unix.EAFNOSUPPORT:    ErrWrongType,
	unix.ENOTSOCK:        ErrNotSocket,
	unix.EOPNOTSUPP:      ErrUnsupported,
	unix.ENOPROTOOPT:     ErrUnsupported,
	unix.ESRCH:           ErrNoProcess,
	unix.ENOMEM:          ErrNoMemory,
	unix.ENOBUFS:         ErrNoMemory,
	unix.ENFILE:          ErrNoMemory,
	unix.EMFILE:          ErrNoMemory,
	unix.EADDRINUSE:      ErrNoMemory, // every automatic address is taken
	unix.EALREADY:        ErrNetwork,
	unix.EHOSTUNREACH:    ErrNetwork,
	unix.EHOSTDOWN:       ErrNetwork,
	unix.ENETDOWN:        ErrNetwork,
	unix.ENETUNREACH:     ErrNetwork,
	unix.EADDRNOTAVAIL:   ErrNetwork,
}

// answer wraps the errno of a system call together with what it means. Other
// errors, and errnos that no manual page lists, come out as they are.
func answer(call string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	if meaning := answers[errno]; meaning != nil {
		return fmt.Errorf("%w: %w", meaning, os.NewSyscallError(call, errno))
	}
	return os.NewSyscallError(call, errno)
}

// Truncation tells that the kernel delivered less than was sent. What did come
// of the descriptors was closed; the rest is gone for good, the sender was not
// told, and the data cannot be received again.
type Truncation struct {
	Control bool // descriptors were lost: no free numbers, more than Room.Files, or a security module (MSG_CTRUNC)
	Closed  int  // how many had come and were closed
	Length  int  // how long the record was, when its data was cut (MSG_TRUNC); else 0
	Room    int  // bytes of room that there were for it
}

func (t *Truncation) Error() string {
	switch {
	case t.Control && t.Length != 0:
		return fmt.Sprintf("descriptors were lost, %d had come and were closed, and a record of %d bytes was cut to %d", t.Closed, t.Length, t.Room)
	case t.Control:
		return fmt.Sprintf("descriptors were lost; %d had come and were closed", t.Closed)
	}
	return fmt.Sprintf("a record of %d bytes was cut to %d; %d descriptors had come and were closed", t.Length, t.Room, t.Closed)
}
