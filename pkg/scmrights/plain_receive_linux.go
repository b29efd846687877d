package scmrights

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// Room is what a receiver has room for.
type Room struct {
	Data  [][]byte // filled one after the other
	Files int      // descriptors that are welcome, 0 to MaxFiles; with more all are dropped or closed
}

func (r Room) size() int {
	size := 0
	for _, b := range r.Data {
		size += len(b)
	}
	return size
}

// Delivery is what one receive brought.
type Delivery struct {
	N     int          // bytes in the buffers of the Room
	Files []*os.File   // the receiver's own, close-on-exec, in the sender's order; net.FileConn and net.FileListener make connections of them
	Creds *Credentials // the sender's, when PassCredentials is on
	Pidfd *os.File     // the sender's process, when PassPidfd is on; the receiver's own
	From  string       // the sender's address as in Packet.To, "" when it has none
	Err   error        // what Receive returns beside it: an *Error that wraps a *Truncation, or tells why there is no Pidfd
}

// Receive waits, up to the read deadline, for something to arrive, takes
// everything that comes with it into possession, and only then judges it. When
// the data did not fit the room, or descriptors were lost or are more than
// Room.Files, it closes every descriptor that came and returns a *[Truncation];
// the Delivery then still has N, Creds and From. At the end of a SOCK_STREAM or
// SOCK_SEQPACKET it returns io.EOF as it is. A connection that was reset
// delivers first what its peer had sent, then one ErrPeerGone.
//
// On SOCK_STREAM a receive stops after the bytes that descriptors were sent
// with, but can begin before them: which byte a descriptor belongs to is for the
// bytes themselves to tell.
func (s *Socket) Receive(r Room) (Delivery, error) {
	ds, err := s.receive([]Room{r}, func(number int, ms []sys.ScmMessage, flags int) (int, error) {
		return 1, sys.ScmReceiveMessage(number, &ms[0], flags)
	})
	if err != nil {
		return Delivery{}, err
	}
	return ds[0], ds[0].Err
}

// receive calls call, which is one recvmsg(2) or recvmmsg(2), when there is
// something to receive.
func (s *Socket) receive(rooms []Room, call func(number int, ms []sys.ScmMessage, flags int) (int, error)) ([]Delivery, error) {
	for _, r := range rooms {
		switch {
		case r.Files < 0 || r.Files > MaxFiles:
			return nil, &Error{Op: "receive", Err: fmt.Errorf("%w: room for %d descriptors, the limits are 0 and %d", ErrTooMany, r.Files, MaxFiles)}
		case r.size() == 0 && s.isStream():
			return nil, &Error{Op: "receive", Err: fmt.Errorf("%w: no room for a byte", ErrEmpty)}
		}
	}
	ms := s.messages(rooms)
	flags := unix.MSG_CMSG_CLOEXEC | unix.MSG_DONTWAIT
	if !s.isStream() {
		flags |= unix.MSG_TRUNC // makes the length that of the record
	}
	var landings []landing
	var callErr error
	resets := 0
	err := s.raw.Read(func(number uintptr) bool {
		for {
			var n int
			n, callErr = call(int(number), ms, flags)
			switch {
			case callErr == nil:
				landings = collect(ms[:n]) // every descriptor has an owner before anything else happens
				return true
			case callErr == unix.EINTR:
				continue
			case callErr == unix.ECONNRESET && s.kind == unix.SOCK_SEQPACKET && resets < 2:
				// It is told before the records that the peer had sent.
				s.keepReset(callErr)
				resets++
				continue
			}
			return callErr != unix.EAGAIN
		}
	})
	switch {
	case err != nil:
		return nil, &Error{Op: "receive", Err: rawError(err)}
	case callErr != nil:
		return nil, &Error{Op: "receive", Err: answer("recvmsg", callErr)}
	}
	return s.deliver(rooms, landings)
}

// deliver judges what has landed. At the end recvmmsg(2) fills every header that
// is left with nothing.
func (s *Socket) deliver(rooms []Room, landings []landing) ([]Delivery, error) {
	count := len(landings)
	for count > 0 && landings[count-1].nothing(s.isStream()) && s.ended() {
		count--
		landings[count].drop()
	}
	if count == 0 {
		if reset := s.takeReset(); reset != nil {
			return nil, &Error{Op: "receive", Err: answer("recvmsg", reset)}
		}
		return nil, io.EOF
	}
	ds := make([]Delivery, count)
	for i := range ds {
		ds[i] = landings[i].judge(rooms[i])
	}
	return ds, nil
}

// ended says that the peer sends no more. A record without a byte, which some
// peer may send to be taken for the end, comes from one that still can.
func (s *Socket) ended() bool {
	if s.kind == unix.SOCK_DGRAM {
		return false
	}
	set := make([]unix.PollFd, 1)
	err := s.control(func(n int) error {
		for {
			set[0] = unix.PollFd{Fd: int32(n), Events: unix.POLLRDHUP}
			if _, err := unix.Poll(set, 0); err != unix.EINTR {
				return err
			}
		}
	})
	return err != nil || set[0].Revents != 0
}

// messages makes the headers with room for exactly what is welcome. The kernel
// writes credentials, descriptors and the pidfd in this order; only the last may
// go without the padding of CMSG_SPACE, in which it would put one more.
func (s *Socket) messages(rooms []Room) []sys.ScmMessage {
	s.mu.Lock()
	creds, pidfd := s.creds, s.pidfd
	s.mu.Unlock()
	ms := make([]sys.ScmMessage, len(rooms))
	for i, r := range rooms {
		size := 0
		if creds {
			size += unix.CmsgSpace(unix.SizeofUcred)
		}
		if r.Files > 0 && pidfd {
			size += unix.CmsgSpace(4 * r.Files)
		} else if r.Files > 0 {
			size += unix.CmsgLen(4 * r.Files)
		}
		if pidfd {
			size += unix.CmsgLen(4)
		}
		ms[i] = sys.ScmMessage{Data: r.Data, Control: make([]byte, size)}
		if s.kind == unix.SOCK_DGRAM {
			ms[i].Name = make([]byte, sys.ScmAddressRoom)
		}
	}
	return ms
}

func (s *Socket) keepReset(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset = err
}

func (s *Socket) takeReset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.reset
	s.reset = nil
	return err
}
