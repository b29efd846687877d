package scmrights

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// MaxFiles is the number of descriptors that one packet can carry: SCM_MAX_FD of
// the kernel's include/net/scm.h. (Programs built with musl take 252.)
const MaxFiles = sys.ScmMaxRights

// Packet is what one Send sends: a record, or on SOCK_STREAM a run of bytes.
type Packet struct {
	Data  [][]byte       // sent one after the other in one call
	Files []syscall.Conn // borrowed until Send is back: *os.File, connections and listeners of package net, or Raw
	Creds *Credentials   // nil: the kernel puts in the sender's own; others need CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID
	To    string         // address of the receiver for an unconnected SOCK_DGRAM, "@name" for the abstract name space
}

// Credentials are a process with its effective user and group, as the receiver's
// namespaces number them.
type Credentials struct {
	PID      int
	UID, GID uint32
}

// Send sends p: a record whole or not at all; on SOCK_STREAM it goes on after
// short writes until every byte is sent. The descriptors go with the first byte
// and are never attached again, so that with n > 0 they have gone, whatever err
// is. It waits for room until the write deadline and then returns an error that
// is both ErrBlocked and os.ErrDeadlineExceeded. The files may be closed as soon
// as Send is back: the kernel holds them then (scm_fp_copy in net/core/scm.c).
func (s *Socket) Send(p Packet) (n int, err error) {
	m, err := s.message(&p)
	if err == nil {
		err = lend(p.Files, nil, func(numbers []int) error {
			attach(m, numbers)
			s.sending.Lock()
			defer s.sending.Unlock()
			n, err = s.sendAll(m)
			return err
		})
	}
	if err != nil {
		return n, &Error{Op: "send", Err: err}
	}
	return n, nil
}

// message checks what the kernel would take in silence, and builds the rest.
func (s *Socket) message(p *Packet) (*sys.ScmMessage, error) {
	size := 0
	for _, b := range p.Data {
		size += len(b)
	}
	switch {
	case len(p.Files) > MaxFiles:
		return nil, fmt.Errorf("%w: %d descriptors, the limit is %d", ErrTooMany, len(p.Files), MaxFiles)
	case len(p.Data) > sys.ScmMaxBuffers && !s.isStream():
		return nil, fmt.Errorf("%w: %d buffers, the limit is %d", ErrTooMany, len(p.Data), sys.ScmMaxBuffers)
	case size == 0 && len(p.Files) != 0 && s.hasEnd():
		// SOCK_STREAM drops the descriptors, SOCK_SEQPACKET delivers them with
		// what looks like the end.
		return nil, fmt.Errorf("%w: %d descriptors and not a byte", ErrEmpty, len(p.Files))
	case size == 0 && s.hasEnd() && !s.isStream():
		return nil, fmt.Errorf("%w: an empty record looks like the end", ErrEmpty)
	}
	m := &sys.ScmMessage{Data: p.Data}
	if p.To != "" {
		name, err := sys.ScmAddress(p.To)
		if err != nil {
			return nil, fmt.Errorf("address %.120q: %w", p.To, answer("sendmsg", err))
		}
		m.Name = name
	}
	if p.Creds != nil {
		m.Control = sys.ScmAppendCredentials(nil, unix.Ucred{Pid: int32(p.Creds.PID), Uid: p.Creds.UID, Gid: p.Creds.GID})
	}
	return m, nil
}

func attach(m *sys.ScmMessage, numbers []int) {
	if len(numbers) != 0 {
		m.Control = sys.ScmAppendRights(m.Control, numbers)
	}
}

// lend calls use with the numbers of all files, none of which can be closed, or
// become another file's, before use is back.
func lend(files []syscall.Conn, numbers []int, use func(numbers []int) error) error {
	if len(files) == 0 {
		return use(numbers)
	}
	raw, err := files[0].SyscallConn()
	if err != nil {
		return fmt.Errorf("%w: file %d: %w", ErrBadFile, len(numbers), err)
	}
	var useErr error
	err = raw.Control(func(n uintptr) { useErr = lend(files[1:], append(numbers, int(n)), use) })
	if err != nil {
		return fmt.Errorf("%w: file %d: %w", ErrBadFile, len(numbers), os.ErrClosed)
	}
	return useErr
}

// sendAll sends m, on a stream in as many calls as it takes.
func (s *Socket) sendAll(m *sys.ScmMessage) (sent int, err error) {
	rest := *m
	for {
		rest.Data = m.Data
		if s.isStream() {
			rest.Data = skip(m.Data, sent, sys.ScmMaxBuffers)
		}
		if sent > 0 {
			if len(rest.Data) == 0 {
				return sent, nil
			}
			rest.Control = nil // it went with the first byte
		}
		n, err := s.sendOnce(&rest)
		sent += n
		if err != nil || !s.isStream() || n == 0 {
			return sent, err
		}
	}
}

// skip returns at most most of the buffers that are left when n bytes are gone.
func skip(buffers [][]byte, n, most int) [][]byte {
	var rest [][]byte
	for _, b := range buffers {
		gone := min(n, len(b))
		n -= gone
		if b = b[gone:]; len(b) != 0 && len(rest) < most {
			rest = append(rest, b)
		}
	}
	return rest
}

// sendOnce makes one sendmsg(2) that sends something, and waits for room before.
func (s *Socket) sendOnce(m *sys.ScmMessage) (n int, err error) {
	err = s.whenWritable(len(m.Name) != 0, func(number int) (sendErr error) {
		n, sendErr = sys.ScmSendMessage(number, m, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		return sendErr
	})
	return n, err
}

// addressedPause is how long Send waits before it tries a full receiver again to
// which its socket is not connected.
const addressedPause = 2 * time.Millisecond

// whenWritable calls try until it returns neither EINTR nor EAGAIN. The poller
// knows when there is room at the socket's own peer. Of a receiver that is named
// by an address it knows nothing (unix_dgram_poll in net/unix/af_unix.c looks at
// the peer alone), so there trying again is all that is left.
func (s *Socket) whenWritable(addressed bool, try func(number int) error) error {
	for {
		var tryErr error
		err := s.raw.Write(func(number uintptr) bool {
			for {
				tryErr = try(int(number))
				if tryErr != unix.EINTR {
					return tryErr != unix.EAGAIN || addressed
				}
			}
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("%w: %w", ErrBlocked, err)
		case err != nil:
			return rawError(err)
		case tryErr != unix.EAGAIN:
			return answer("sendmsg", tryErr)
		}
		<-time.After(addressedPause)
	}
}
