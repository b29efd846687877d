package scmrights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// reserve is how many of its descriptor numbers a worker keeps out of the
// credit that it gives: standard streams, channel, poller, receipt pipe, and a
// few that the program opens itself.
const reserve = 16

// Peer is the worker's end of a channel. Receive is for one goroutine; the other
// methods are for any.
type Peer struct {
	ch    *channel
	epoch uint32
	acked atomic.Uint64
	taken atomic.Uint64 // seq of the last record received, which is the ack of ours
	bye   atomic.Uint64 // twice the reason of BYE plus one, 0 before it came

	buf, control, receipt []byte // Receive's own
	in                    record
	verdicts              []verdict

	mu      sync.Mutex // of what was granted
	known   tokenRing
	waiting []waiting

	sending sync.Mutex    // held while a record is sent
	sent    atomic.Uint64 // changed with sending held only
	out     []byte
}

// Attach takes the worker's end of a channel, says HELLO and waits for WELCOME.
// Inherited finds the end that a supervised worker was started with.
//
// What it and the other methods ask of the kernel, for whoever writes a filter:
// recvmsg, sendmsg, fstat, write, close, fcntl (F_GETFL, and for a blocking end
// F_DUPFD_CLOEXEC and F_SETFL), epoll_ctl, epoll_pwait; here also prlimit64.
func Attach(f *os.File) (*Peer, error) {
	ch, err := openChannel(f)
	if err != nil {
		return nil, &Error{Op: "attach", Err: err}
	}
	p := &Peer{
		ch:      ch,
		buf:     make([]byte, maxRecord+1),
		control: make([]byte, sys.ScmControlSpace(sys.ScmMaxRights)),
	}
	if err := p.greet(); err != nil {
		_ = ch.close()
		return nil, &Error{Op: "attach", Err: err}
	}
	fault.Point("W2")
	return p, nil
}

func (p *Peer) greet() error {
	hello := Hello{Low: frameVersion, High: frameVersion, Credit: freeNumbers()}
	if _, err := p.transmit(typeHello, nil, hello.encode()); err != nil {
		return err
	}
	r, a, err := p.next()
	_ = fd.CloseAll(a.rights)
	switch {
	case err == io.EOF:
		return fmt.Errorf("the parent is gone: %w", io.ErrUnexpectedEOF)
	case err != nil:
		return err
	case r.kind != typeWelcome:
		return faultf("%s instead of WELCOME", r.kind)
	}
	version, err := decodeWelcome(r.payload)
	if err != nil {
		return err
	}
	if version != frameVersion || r.epoch == 0 {
		return faultf("WELCOME to version %d, epoch %d", version, r.epoch)
	}
	p.epoch = r.epoch
	return nil
}

// freeNumbers is the credit of a process that holds few descriptors: its limit
// without a reserve. It does not look at the table, for which a confined
// process has no /proc.
func freeNumbers() uint32 {
	var limit unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit); err != nil || limit.Cur <= reserve {
		return 1
	}
	return uint32(min(limit.Cur-reserve, MaxSlots))
}

// Epoch is the generation of this worker, given by WELCOME.
func (p *Peer) Epoch() uint32 { return p.epoch }

// Acked is the highest number of a record of ours that the parent has acted on.
func (p *Peer) Acked() uint64 { return p.acked.Load() }

// Bye tells a parent that took its leave from one that died: said is true when
// BYE was in, and reason is what it gave. It is meant for after io.EOF.
func (p *Peer) Bye() (reason uint32, said bool) {
	b := p.bye.Load()
	return uint32(b >> 1), b != 0
}

// Send sends a message of at most MaxWorkerBody bytes and returns the number of
// its record, to be compared with Acked. It waits as long as the parent does
// not read.
func (p *Peer) Send(kind uint16, body []byte) (seq uint64, err error) {
	if len(body) > MaxWorkerBody {
		return 0, &Error{Op: "send", Err: fmt.Errorf("a message of %d bytes, the limit is %d", len(body), MaxWorkerBody)}
	}
	seq, err = p.transmit(typeMessage, nil, encodeMessage(kind, body))
	if err != nil {
		return 0, &Error{Op: "send", Err: err}
	}
	return seq, nil
}

// Credit tells the parent how many more descriptors this worker can take.
func (p *Peer) Credit(free uint32) error {
	if _, err := p.transmit(typeCredit, nil, encodeUint32(free)); err != nil {
		return &Error{Op: "credit", Err: err}
	}
	return nil
}

// Close says BYE if there is room, and closes the channel. Descriptors that
// were received stay open, but for exclusive ones that wait for their COMMIT.
func (p *Peer) Close() error {
	p.sending.Lock()
	p.out = appendRecord(p.out[:0], frame{kind: typeBye, epoch: p.epoch, seq: p.sent.Load() + 1, ack: p.taken.Load()}, nil, encodeUint32(0))
	_ = p.ch.send(systemClock{}, -1, p.out, nil)
	p.sending.Unlock()
	p.dropWaiting()
	if err := p.ch.close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return &Error{Op: "close", Err: err}
	}
	return nil
}

func (p *Peer) transmit(t recordType, slots []slot, payload []byte) (uint64, error) {
	p.sending.Lock()
	defer p.sending.Unlock()
	// Counted first: the parent may acknowledge it before sendmsg is back.
	f := frame{kind: t, epoch: p.epoch, seq: p.sent.Add(1), ack: p.taken.Load()}
	p.out = appendRecord(p.out[:0], f, slots, payload)
	if err := p.ch.send(systemClock{}, 0, p.out, nil); err != nil {
		p.sent.Store(f.seq - 1)
		return 0, err
	}
	return f.seq, nil
}

// Event is what one record of the parent brought. One of Grants, Message and
// Revoked is set, or none: then the record only moved Acked.
type Event struct {
	Grants  []Granted
	Message *Message
	Revoked []string // names of grants that are to be closed now, and then told by Released; what was lent is closed already
	Acked   uint64   // as Peer.Acked
}

// Receive returns what the parent sent next. PINGs are answered within it, and
// returned as an Event so that Acked can be looked at. At the end of the
// channel it returns io.EOF: the parent is gone, or said BYE.
func (p *Peer) Receive(ctx context.Context) (Event, error) {
	defer expireWith(ctx, p.ch.file.SetReadDeadline)()
	for {
		r, a, err := p.next()
		if err == nil {
			var e Event
			var show bool
			e, show, err = p.act(r, &a)
			if err == nil && show {
				e.Acked = p.Acked()
				return e, nil
			}
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return Event{}, p.ended()
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			return Event{}, &Error{Op: "receive", Err: ctx.Err()}
		default:
			return Event{}, &Error{Op: "receive", Seq: p.taken.Load() + 1, Err: err}
		}
	}
}
