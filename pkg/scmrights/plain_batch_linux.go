package scmrights

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// One sendmmsg(2) of SendBatch has at most so many packets and descriptors.
const (
	batchPackets = 64
	batchFiles   = 512
)

// SendBatch sends packets in order, in as few calls of sendmmsg(2) as it can,
// and returns how many have gone. When it is not all of them, packets[n] is the
// one that did not and err says why: the kernel hides that errno when a packet
// before it went, so that one is sent again by itself to learn it. A receiver
// that is full is waited for until the write deadline. SOCK_STREAM, where a
// short write would run into the next packet, is an ErrUnsupported.
func (s *Socket) SendBatch(packets []Packet) (n int, err error) {
	if s.isStream() {
		return 0, &Error{Op: "send batch", Err: fmt.Errorf("%w: batches of a SOCK_STREAM", ErrUnsupported)}
	}
	messages := make([]sys.ScmMessage, len(packets))
	for i := range packets {
		m, err := s.message(&packets[i])
		if err != nil {
			// What can be sent before it is sent, as if the kernel had refused it.
			if n, sendErr := s.SendBatch(packets[:i]); sendErr != nil {
				return n, sendErr
			}
			return i, &Error{Op: "send batch", Err: fmt.Errorf("packet %d: %w", i, err)}
		}
		messages[i] = *m
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	for n < len(packets) {
		count, files := chunk(packets[n:])
		sent, lent, err := s.sendLent(packets[n:n+count], messages[n:n+count], files)
		if !lent && count > 1 {
			// A file of one of them is closed: the others go one by one.
			sent, _, err = s.sendLent(packets[n:n+1], messages[n:n+1], packets[n].Files)
		}
		n += sent
		if err != nil {
			return n, &Error{Op: "send batch", Err: fmt.Errorf("packet %d: %w", n, err)}
		}
	}
	return n, nil
}

// sendLent sends these packets, or tells that their files could not be lent.
func (s *Socket) sendLent(packets []Packet, ms []sys.ScmMessage, files []syscall.Conn) (sent int, lent bool, err error) {
	err = lend(files, nil, func(numbers []int) error {
		lent = true
		for i, p := range packets {
			attach(&ms[i], numbers[:len(p.Files)])
			numbers = numbers[len(p.Files):]
		}
		var err error
		sent, err = s.sendChunk(ms)
		return err
	})
	return sent, lent, err
}

// chunk is how many packets go into the next call, and their files.
func chunk(packets []Packet) (count int, files []syscall.Conn) {
	for _, p := range packets {
		if count == batchPackets || count > 0 && len(files)+len(p.Files) > batchFiles {
			break
		}
		count++
		files = append(files, p.Files...)
	}
	return count, files
}

// sendChunk sends all of ms, or returns how many went and why the next did not.
func (s *Socket) sendChunk(ms []sys.ScmMessage) (sent int, err error) {
	for sent < len(ms) {
		var n int
		err := s.whenWritable(len(ms[sent].Name) != 0, func(number int) (sendErr error) {
			n, sendErr = sys.ScmSendBatch(number, ms[sent:], unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			return sendErr
		})
		if err != nil {
			return sent, err
		}
		if sent += n; sent == len(ms) {
			break
		}
		if _, err := s.sendOnce(&ms[sent]); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

// ReceiveBatch waits until something arrives and receives with one recvmmsg(2)
// what is there, at most one record for each of rooms, each as Receive does; the
// Err of a Delivery tells what became of that one alone. SOCK_STREAM is an
// ErrUnsupported.
func (s *Socket) ReceiveBatch(rooms []Room) ([]Delivery, error) {
	if s.isStream() {
		return nil, &Error{Op: "receive batch", Err: fmt.Errorf("%w: batches of a SOCK_STREAM", ErrUnsupported)}
	}
	if len(rooms) == 0 {
		return nil, nil
	}
	return s.receive(rooms, sys.ScmReceiveBatch)
}
