package scmrights

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// channel is one end of a SOCK_SEQPACKET pair: the only place of the package
// that calls sendmsg and recvmsg. Waiting is done by the runtime's poller.
type channel struct {
	file *os.File
	raw  syscall.RawConn
}

// openChannel takes f. A file that the poller cannot wait for, which is what
// os.NewFile makes of a blocking descriptor, is made anew under another number
// and non-blocking; this changes the open file description.
func openChannel(f *os.File) (*channel, error) {
	if errors.Is(f.SetDeadline(time.Time{}), os.ErrNoDeadline) {
		d, err := fd.Dup(f)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		err = d.Borrow(func(n int) error { return os.NewSyscallError("fcntl(F_SETFL)", unix.SetNonblock(n, true)) })
		if err != nil {
			_ = d.Close()
			return nil, err
		}
		f = d.File(f.Name())
	}
	raw, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &channel{file: f, raw: raw}, nil
}

// setOption sets an integer option at level SOL_SOCKET.
func (ch *channel) setOption(name string, option, value int) error {
	var optErr error
	err := ch.raw.Control(func(n uintptr) { optErr = unix.SetsockoptInt(int(n), unix.SOL_SOCKET, option, value) })
	if err != nil {
		return rawError(err)
	}
	return os.NewSyscallError("setsockopt("+name+")", optErr)
}

// send sends one record. With a limit of 0 it waits for room as long as it
// takes, with a negative one not at all; else ErrBlocked after limit.
func (ch *channel) send(clock Clock, limit time.Duration, data, control []byte) error {
	undo := func() {}
	armed := false
	var sendErr error
	err := ch.raw.Write(func(n uintptr) bool {
		for {
			_, sendErr = sys.ScmSend(int(n), data, control, unix.MSG_NOSIGNAL)
			if sendErr != unix.EINTR {
				break
			}
		}
		if sendErr != unix.EAGAIN || limit < 0 {
			return true
		}
		if limit > 0 && !armed {
			armed = true
			undo = expireAfter(clock, limit, ch.file.SetWriteDeadline)
		}
		return false
	})
	undo()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), err == nil && sendErr == unix.EAGAIN:
		return ErrBlocked
	case err != nil:
		return rawError(err)
	}
	return os.NewSyscallError("sendmsg", sendErr)
}

// arrival is what one recvmsg brought. The receiver owns rights from then on.
type arrival struct {
	data      []byte
	control   bool // there were control messages at all: an empty record has the sender's credentials, the end of the channel has not
	rights    []*fd.FD
	creds     *unix.Ucred
	flags     int
	malformed error
}

// receive waits for one record. Every descriptor that came is owned before
// anything else is looked at (W3, W4 at the worker).
func (ch *channel) receive(buf, control []byte) (arrival, error) {
	var n, controlLen, flags int
	var recvErr error
	resets := 0
	err := ch.raw.Read(func(fd uintptr) bool {
		for {
			n, controlLen, flags, recvErr = sys.ScmReceive(int(fd), buf, control, unix.MSG_CMSG_CLOEXEC)
			switch {
			case recvErr == unix.EINTR:
				continue
			case recvErr == unix.ECONNRESET && resets < 2:
				// unix(7) sockets of type SEQPACKET report, once, that the
				// peer closed with input unread, before what it had sent:
				// what it sent is still there.
				resets++
				continue
			}
			return recvErr != unix.EAGAIN
		}
	})
	if err != nil {
		return arrival{}, rawError(err)
	}
	if recvErr != nil {
		return arrival{}, os.NewSyscallError("recvmsg", recvErr)
	}
	parsed, malformed := sys.ScmParse(control[:controlLen])
	a := arrival{data: buf[:n], control: controlLen > 0, creds: parsed.Creds, flags: flags, malformed: malformed}
	for _, number := range parsed.Rights {
		a.rights = append(a.rights, fd.Own(number))
	}
	return a, nil
}

// rawError names the error of a RawConn of a file that can be polled: it fails
// at a deadline, or because the file is closed, and the runtime's error for the
// latter is not os.ErrClosed.
func rawError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return ErrClosed
}

// cut says in words what the kernel dropped of an arrival, nil when nothing.
func (a *arrival) cut(limit int) error {
	switch {
	case a.flags&unix.MSG_CTRUNC != 0:
		return errors.New("control messages were cut")
	case a.flags&unix.MSG_TRUNC != 0:
		return fmt.Errorf("a record of more than %d bytes", limit)
	}
	return a.malformed
}

func (ch *channel) close() error { return ch.file.Close() }

// shutdown ends both directions, so that the peer sees the end while this side
// still has its file.
func (ch *channel) shutdown() {
	_ = ch.raw.Control(func(n uintptr) { _ = unix.Shutdown(int(n), unix.SHUT_RDWR) })
}
