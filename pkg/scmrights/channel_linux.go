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
// that calls sendmsg and recvmsg. Waiting is done by the runtime's poller. One
// goroutine at a time may send, and one may receive; their calls are kept here,
// and the functions that the poller calls back are made once.
type channel struct {
	file *os.File
	raw  syscall.RawConn

	inKernel bool // receive waits in recvmsg itself: nothing else waits for a blocking file

	out     sending
	trySend func(n uintptr) (done bool)
	in      receiving
	brings  sys.ScmControl // what the last arrival brought, and room for the next
	rights  []*fd.FD       // likewise
	tryRead func(n uintptr) (done bool)
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
	return newChannel(f, raw), nil
}

func newChannel(f *os.File, raw syscall.RawConn) *channel {
	ch := &channel{file: f, raw: raw}
	ch.trySend, ch.tryRead = ch.sendOnce, ch.receiveOnce
	return ch
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

// sending is one send call.
type sending struct {
	clock         Clock
	limit         time.Duration
	data, control []byte
	undo          func() // takes the deadline back; nil while none is set
	err           error
}

// send sends one record. With a limit of 0 it waits for room as long as it
// takes, with a negative one not at all; else ErrBlocked after limit.
func (ch *channel) send(clock Clock, limit time.Duration, data, control []byte) error {
	ch.out = sending{clock: clock, limit: limit, data: data, control: control}
	err := ch.raw.Write(ch.trySend)
	sendErr, undo := ch.out.err, ch.out.undo
	ch.out = sending{}
	if undo != nil {
		undo()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), err == nil && sendErr == unix.EAGAIN:
		return ErrBlocked
	case err != nil:
		return rawError(err)
	}
	return os.NewSyscallError("sendmsg", sendErr)
}

func (ch *channel) sendOnce(n uintptr) bool {
	o := &ch.out
	for {
		_, o.err = sys.ScmSend(int(n), o.data, o.control, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if o.err != unix.EINTR {
			break
		}
	}
	if o.err != unix.EAGAIN || o.limit < 0 {
		return true
	}
	if o.limit > 0 && o.undo == nil {
		o.undo = expireAfter(o.clock, o.limit, ch.file.SetWriteDeadline)
	}
	return false
}

// arrival is what one recvmsg brought. The receiver owns rights from then on;
// both slices are room of the channel, and the next arrival's.
type arrival struct {
	data      []byte
	control   bool // there were control messages at all: an empty record has the sender's credentials, the end of the channel has not
	rights    []*fd.FD
	numbers   []int // those of rights, for who knows that nobody else does
	creds     *unix.Ucred
	flags     int
	malformed error
}

// receiving is one receive call.
type receiving struct {
	data, control        []byte
	n, controlLen, flags int
	resets               int
	err                  error
}

// receive waits for one record. Every descriptor that came is owned before
// anything else is looked at (W3, W4 at the worker).
func (ch *channel) receive(buf, control []byte) (arrival, error) {
	ch.in = receiving{data: buf, control: control}
	if err := ch.raw.Read(ch.tryRead); err != nil {
		return arrival{}, rawError(err)
	}
	in := &ch.in
	if in.err != nil {
		return arrival{}, os.NewSyscallError("recvmsg", in.err)
	}
	return ch.arrived(buf[:in.n], control[:in.controlLen], in.flags), nil
}

// arrived owns what the control messages name.
func (ch *channel) arrived(data, control []byte, flags int) arrival {
	malformed := ch.brings.Parse(control)
	a := arrival{data: data, control: len(control) > 0, creds: ch.brings.Creds, flags: flags, malformed: malformed}
	if numbers := ch.brings.Rights; len(numbers) != 0 {
		owned := make([]fd.FD, len(numbers))
		ch.rights = ch.rights[:0]
		for i, number := range numbers {
			owned[i].Own(number)
			ch.rights = append(ch.rights, &owned[i])
		}
		a.rights, a.numbers = ch.rights, numbers
	}
	return a
}

func (ch *channel) receiveOnce(n uintptr) bool {
	in := &ch.in
	flags := unix.MSG_CMSG_CLOEXEC | unix.MSG_DONTWAIT
	if ch.inKernel {
		flags = unix.MSG_CMSG_CLOEXEC
	}
	for {
		in.n, in.controlLen, in.flags, in.err = sys.ScmReceive(int(n), in.data, in.control, flags)
		switch {
		case in.err == unix.EINTR:
			continue
		case in.err == unix.ECONNRESET && in.resets < 2:
			// unix(7) sockets of type SEQPACKET report, once, that the
			// peer closed with input unread, before what it had sent:
			// what it sent is still there.
			in.resets++
			continue
		}
		return in.err != unix.EAGAIN
	}
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
