package sysvctl

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// Receiver waits for the messages of one queue on one thread until one context
// ends. It registers with the context once and receives into a buffer of its
// own, so that a message costs one system call and no allocation; Queue.Receive
// does all of this for each message.
//
// It belongs to the goroutine that made it, which is locked to its thread until
// Close: a waiting receiver is a thread of the process.
type Receiver struct {
	q    *Queue
	sel  Selector
	buf  *sys.MsgBuffer
	tid  int // 0 after Close
	intr interrupter
	// turn counts the calls; ready says that the last try found a message.
	turn  uint32
	ready bool

	// What the system call of the moment gives; fields so that the closure is
	// made once.
	n    int
	t    int64
	call func() error
}

// Receiver makes a Receiver of messages of at most size bytes and locks the
// calling goroutine to its thread. Close it in the same goroutine.
func (q *Queue) Receiver(ctx context.Context, sel Selector, size int) (*Receiver, error) {
	if sel.bad {
		return nil, q.badType("msgrcv")
	}
	if size < 0 {
		return nil, &Error{Op: fmt.Sprintf("receiver of %d bytes", size), ID: q.id, Key: q.key, Err: syscall.EINVAL}
	}
	runtime.LockOSThread()
	r := &Receiver{q: q, sel: sel, buf: sys.NewMsgBuffer(size), tid: unix.Gettid()}
	r.call = func() (err error) {
		r.n, r.t, err = r.buf.Receive(int32(q.id), sel.mtype, sel.flags)
		return err
	}
	r.intr.bind(ctx)
	return r, nil
}

// Receive waits for the next message. Its data is valid until the next call of
// Receive or Try. When the context ends no message is lost: one that was taken
// is returned. A message longer than the size stays queued (ErrTooBig).
//
// A call that can block costs Go's scheduler two entries in its books. Where
// messages stand in the queue they are taken without; whether they do is found
// out now and then, for a try in vain costs a system call.
func (r *Receiver) Receive() (Message, error) {
	if err := r.check(); err != nil {
		return Message{}, err
	}
	if (r.ready || r.turn%tryEvery == 0) && !r.intr.over.Load() {
		m, err := r.try()
		if r.ready = err == nil; err != r.q.empty {
			return m, err
		}
	}
	if err := r.intr.do(r.call); err != nil {
		return Message{}, r.q.fail("msgrcv", err)
	}
	return Message{Type: Type(r.t), Data: r.buf.Text(r.n)}, nil
}

// Try is Receive that does not wait: it fails with ErrNoMessage instead.
func (r *Receiver) Try() (Message, error) {
	if err := r.check(); err != nil {
		return Message{}, err
	}
	return r.try()
}

func (r *Receiver) try() (Message, error) {
	for {
		n, t, err := r.buf.Receive(int32(r.q.id), r.sel.mtype, r.sel.flags|sys.MsgNoWait)
		switch err {
		case nil:
			return Message{Type: Type(t), Data: r.buf.Text(n)}, nil
		case syscall.ENOMSG:
			return Message{}, r.q.empty
		case syscall.EINTR:
		default:
			return Message{}, r.q.fail("msgrcv", err)
		}
	}
}

// All yields messages as they come. It ends with an error, which is yielded as
// the last: that of the context, ErrRevoked, ErrRemoved. A message that is too
// big is yielded as ErrTooBig each time it is met, and the caller must stop.
func (r *Receiver) All() iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := r.Receive()
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Close unlocks the goroutine from its thread. The second call does nothing.
func (r *Receiver) Close() error {
	if r.tid == 0 {
		return nil
	}
	r.turn = 0 // look in any case
	if err := r.check(); err != nil {
		return err
	}
	r.tid = 0
	r.intr.release()
	runtime.UnlockOSThread()
	return nil
}

// How often, in calls, Receive finds out whether messages stand in the queue, and
// check by which thread it is called. gettid(2) takes a tenth of the time of a
// send and a receive together.
const (
	tryEvery   = 64
	checkEvery = 64
)

// check refuses calls of another goroutine, which a context could not end: the
// signals go to the thread that made the Receiver. It looks at the first call
// and then now and then.
func (r *Receiver) check() error {
	turn := r.turn
	r.turn++
	if r.tid != 0 && turn%checkEvery != 0 {
		return nil
	}
	if tid := unix.Gettid(); tid != r.tid {
		r.turn = 0 // the next call is told as well
		return &Error{Op: "receiver used by another goroutine than the one that made it, or after Close", ID: r.q.id, Key: r.q.key, Err: syscall.EINVAL}
	}
	return nil
}
