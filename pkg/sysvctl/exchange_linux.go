package sysvctl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

// Message types of request and reply over one queue. A reply has a type of its
// own, which tells one caller's from another's. That type is not the caller's
// process id, as in many a textbook: process ids are used again, and then the
// reply to a dead caller is taken by a living one. It is a number that the
// server hands out and never uses twice: free numbers lie in the queue as
// tickets, and the kernel gives each message to one taker only.
//
// The queue is shared by all, so callers must trust each other: any of them can
// take, or send, what is another's.
const (
	TypePlain   Type = 1 // a message that wants no reply
	TypeRequest Type = 2 // 8 bytes of the ticket's number, little endian, and the request
	TypeTicket  Type = 3 // 8 bytes: a number that nobody has yet
)

const (
	ticketSize = 8
	// Numbers lie above every process id (2^22, proc(5)), for the sake of
	// programs that do use those, and within a 32-bit long.
	firstTicket = 1<<22 + 1
	lastTicket  = 1<<31 - 1
	// unclaimed is how long a reply lies in the queue for a caller that died,
	// and how long a ticket is missed that went with one.
	unclaimed = time.Minute
)

// Service is the serving side. Size is the longest request and the longest
// reply in bytes; Callers is how many may call at the same time, others wait.
// Answer and Plain are called one after the other by the goroutine that serves;
// what they are given is valid until they return. A nil Plain leaves plain
// messages in the queue.
type Service struct {
	Size, Callers int
	Answer        func(request []byte) (reply []byte)
	Plain         func(text []byte)
}

// server is a Service at work.
type server struct {
	Service
	q       *Queue
	next    Type
	owed    int     // tickets that found no room yet
	replies []reply // sent or to be sent, oldest first
}

type reply struct {
	to     Type
	data   []byte // nil when sent
	queued time.Time
}

// Serve answers requests on the queue until ctx ends, which is no error, or the
// queue is closed or removed. It fails with ErrLimit when the queue cannot hold
// the messages of all its callers, for then a reply could find no room.
func (q *Queue) Serve(ctx context.Context, service Service) error {
	s := &server{Service: service, q: q, next: firstTicket + Type(rand.Int64N(lastTicket-firstTicket))}
	st, err := q.Stat()
	if err != nil {
		return err
	}
	if need := uint64(s.Callers * (s.Size + 2*ticketSize)); s.Callers < 1 || st.QBytes < need {
		return &Error{Op: fmt.Sprintf("serve %d callers: %d bytes of room, need %d", s.Callers, st.QBytes, need), ID: q.id, Key: q.key, Kind: ErrLimit, Err: syscall.EINVAL}
	}
	defer s.withdraw()
	for {
		if err := s.renew(); err != nil {
			return err
		}
		err := s.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// turn serves until it is time to look for what died callers left.
func (s *server) turn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, unclaimed)
	defer cancel()
	wanted := Exactly(TypeRequest)
	if s.Plain != nil {
		wanted = UpTo(TypeRequest)
	}
	r, err := s.q.Receiver(ctx, wanted, s.Size+ticketSize)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		m, err := r.Receive()
		if errors.Is(err, ErrTooBig) {
			_, err = s.q.TryReceive(wanted.Cut(), nil) // nobody may send this; away with it
			m = Message{}
		}
		switch {
		case err != nil:
			return err
		case m.Type == TypePlain:
			s.Plain(m.Data)
		case m.Type == TypeRequest && len(m.Data) >= ticketSize:
			to := Type(binary.LittleEndian.Uint64(m.Data))
			if to < firstTicket || to > lastTicket {
				continue // no number of ours: the reply would meet the requests
			}
			data := append([]byte{}, s.Answer(m.Data[ticketSize:])...)
			s.replies = append(s.replies, reply{to: to, data: data[:min(len(data), s.Size)]})
			s.owed++
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
}

// flush sends replies and tickets. A queue that is full of messages to us gets
// room with the next that is received, and what else there is fits by the count of
// callers: so what finds no room here is sent a little later.
func (s *server) flush() error {
	for i := range s.replies {
		r := &s.replies[i]
		if r.data == nil {
			continue
		}
		err := s.q.TrySend(r.to, r.data)
		if errors.Is(err, ErrFull) {
			return nil
		}
		if err != nil {
			return err
		}
		r.data, r.queued = nil, time.Now()
	}
	for ; s.owed > 0; s.owed-- {
		var number [ticketSize]byte
		binary.LittleEndian.PutUint64(number[:], uint64(s.next))
		err := s.q.TrySend(TypeTicket, number[:])
		if errors.Is(err, ErrFull) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.next++; s.next > lastTicket {
			s.next = firstTicket
		}
	}
	return nil
}

// renew takes back replies that nobody fetched and puts out a full set of
// tickets, in place of those that went with callers that died.
func (s *server) renew() error {
	kept := s.replies[:0]
	for _, r := range s.replies {
		if r.data != nil || time.Since(r.queued) < unclaimed {
			kept = append(kept, r)
			continue
		}
		if _, err := s.q.TryReceive(Exactly(r.to).Cut(), nil); err != nil && !errors.Is(err, ErrNoMessage) {
			return err
		}
	}
	s.replies = kept
	s.withdraw()
	s.owed = s.Callers
	return s.flush()
}

// withdraw takes back every ticket, so that nobody asks a server that is gone.
func (s *server) withdraw() {
	for {
		if _, err := s.q.TryReceive(Exactly(TypeTicket).Cut(), nil); err != nil {
			return
		}
	}
}

// Call sends a request to whoever serves the queue and waits for the reply,
// which it puts into buf, until ctx ends. With nobody serving, or with more
// callers than the server lets in, it waits for its turn. A reply that comes
// after ctx ended is taken away by the server.
func (q *Queue) Call(ctx context.Context, request, buf []byte) (reply []byte, err error) {
	m, err := q.Receive(ctx, Exactly(TypeTicket), make([]byte, ticketSize))
	if err != nil {
		return nil, fmt.Errorf("wait for a turn: %w", err)
	}
	if len(m.Data) != ticketSize {
		return nil, fmt.Errorf("ticket of %d bytes: another protocol is spoken on queue %d", len(m.Data), q.id)
	}
	number := Type(binary.LittleEndian.Uint64(m.Data))
	if err := q.Send(ctx, TypeRequest, append(m.Data, request...)); err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	m, err = q.Receive(ctx, Exactly(number), buf)
	if err != nil {
		return nil, fmt.Errorf("wait for the reply: %w", err)
	}
	return m.Data, nil
}
