package sysvctl

import (
	"context"
	"syscall"

	"sallyport/internal/sys"
)

// defaultMax is kernel.msgmax where nobody changed it. msgsnd answers EINVAL
// for a longer message and for a removed queue alike.
const defaultMax = 8192

// TrySend sends p as a message of type t, or fails at once with ErrFull. It
// keeps no reference to p and allocates nothing when it succeeds or the queue
// is full (p of at most 8192 bytes).
func (q *Queue) TrySend(t Type, p []byte) error {
	if !t.valid() {
		return q.badType("msgsnd")
	}
	for {
		switch err := sys.MsgSend(int32(q.id), int64(t), p, sys.MsgNoWait); err {
		case nil:
			return nil
		case syscall.EAGAIN:
			return q.full
		case syscall.EINTR:
		default:
			return q.sendError(err, p)
		}
	}
}

// Send sends p as a message of type t and waits for room until ctx ends. It
// fails with ErrRevoked when the right to send is taken away meanwhile. It
// allocates only when it has to wait under a context that can end.
func (q *Queue) Send(ctx context.Context, t Type, p []byte) error {
	if err := q.TrySend(t, p); err != q.full {
		return err
	}
	err := interruptible(ctx, func() error { return sys.MsgSend(int32(q.id), int64(t), p, 0) })
	if err != nil {
		return q.sendError(err, p)
	}
	return nil
}

// TryReceive takes the message that sel wants into buf, or fails at once with
// ErrNoMessage. A message longer than buf stays queued, and the error is
// ErrTooBig. It allocates nothing when it succeeds or finds no message (buf of
// at most 8192 bytes).
func (q *Queue) TryReceive(sel Selector, buf []byte) (Message, error) {
	if sel.bad {
		return Message{}, q.badType("msgrcv")
	}
	for {
		n, t, err := sys.MsgReceive(int32(q.id), buf, sel.mtype, sel.flags|sys.MsgNoWait)
		switch err {
		case nil:
			return Message{Type: Type(t), Data: buf[:n]}, nil
		case syscall.ENOMSG:
			return Message{}, q.empty
		case syscall.EINTR:
		default:
			return Message{}, q.fail("msgrcv", err)
		}
	}
}

// Receive takes the message that sel wants into buf and waits for it until ctx
// ends. A process that is killed while it waits loses the message that was just
// being handed to it; a context that ends loses none. Whoever receives many uses
// a Receiver, which sets up its way out of the call once.
func (q *Queue) Receive(ctx context.Context, sel Selector, buf []byte) (Message, error) {
	m, err := q.TryReceive(sel, buf)
	if err != q.empty {
		return m, err
	}
	err = interruptible(ctx, func() error {
		n, t, err := sys.MsgReceive(int32(q.id), buf, sel.mtype, sel.flags)
		m = Message{Type: Type(t), Data: buf[:n]}
		return err
	})
	if err != nil {
		return Message{}, q.fail("msgrcv", err)
	}
	return m, nil
}

func (q *Queue) badType(op string) error {
	return &Error{Op: op, ID: q.id, Key: q.key, Kind: ErrNotPositive, Err: syscall.EINVAL}
}

// sendError tells the two meanings of EINVAL apart: a message above msgmax, and
// a queue that is gone. An attached queue has only the size to go by.
func (q *Queue) sendError(err error, p []byte) error {
	if err != syscall.EINVAL {
		return q.fail("msgsnd", err)
	}
	tooBig := len(p) > defaultMax
	if !q.attached {
		if l, lerr := ReadLimits(); lerr == nil {
			tooBig = uint64(len(p)) > l.Size
		}
	}
	if tooBig {
		return &Error{Op: "msgsnd", ID: q.id, Key: q.key, Kind: ErrTooBig, Err: err}
	}
	return q.fail("msgsnd", err)
}
