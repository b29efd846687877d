package scmrights

import (
	"fmt"
	"os"
	"time"

	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// outgoing is a record to be sent.
type outgoing struct {
	op      string
	kind    recordType
	grants  []*Grant // their slots; with a pipe also their copies
	pipe    *fd.FD   // write end of the receipt pipe, borrowed for the call
	payload []byte
	limit   time.Duration // how long to wait for room; negative: not at all
}

// Welcome answers HELLO and opens the channel. Epoch is the generation of the
// worker, at least 1: a word about an earlier one is recognised by it.
func (c *Conn) Welcome(epoch uint32) error {
	c.mu.Lock()
	if epoch == 0 || c.phase != phaseHello {
		p := c.phase
		c.mu.Unlock()
		return &Error{Op: "welcome", Peer: c.peer, Err: fmt.Errorf("epoch %d in phase %d: HELLO must be in and WELCOME not out, and epochs count from 1", epoch, p)}
	}
	c.phase, c.epoch = phaseWelcome, epoch // first: the worker may answer before sendmsg is back
	c.mu.Unlock()
	_, err := c.transmit(outgoing{op: "welcome", kind: typeWelcome, payload: encodeWelcome(frameVersion, 0), limit: c.cfg.SendTimeout})
	return err
}

// Send sends a message of the layer above, of at most MaxBody bytes. It waits
// for room at most Config.SendTimeout, and then is an ErrBlocked: nothing was
// sent, and the worker is not reading.
func (c *Conn) Send(kind uint16, body []byte) error {
	if len(body) > MaxBody {
		return &Error{Op: "send", Peer: c.peer, Err: fmt.Errorf("a message of %d bytes, the limit is %d", len(body), MaxBody)}
	}
	_, err := c.transmit(outgoing{op: "send", kind: typeMessage, payload: encodeMessage(kind, body), limit: c.cfg.SendTimeout})
	return err
}

// Ping tells the worker that every message which Receive has returned so far
// was acted on, and asks for a PONG. Who hands messages to another goroutine
// uses Acknowledge. No other call raises the acknowledgement.
func (c *Conn) Ping() error {
	c.mu.Lock()
	seq := c.returned
	c.mu.Unlock()
	return c.Acknowledge(seq)
}

// Acknowledge is Ping for the messages up to the one with this Seq.
func (c *Conn) Acknowledge(seq uint64) error {
	c.mu.Lock()
	if seq > c.returned {
		last := c.returned
		c.mu.Unlock()
		return &Error{Op: "ping", Peer: c.peer, Err: fmt.Errorf("message %d acknowledged, the last one returned was %d", seq, last)}
	}
	c.handled = max(c.handled, seq)
	c.mu.Unlock()
	_, err := c.transmit(outgoing{op: "ping", kind: typePing, limit: c.cfg.SendTimeout})
	return err
}

// transmit gives a record its number and sends it, all of it or nothing. Taking
// turns and waiting for room together last at most o.limit.
func (c *Conn) transmit(o outgoing) (seq uint64, err error) {
	start := c.cfg.Clock.Now()
	if !c.takeTurn(o.limit) {
		return 0, &Error{Op: o.op, Peer: c.peer, Err: ErrBlocked}
	}
	defer func() { <-c.sending }()
	if o.limit > 0 {
		o.limit = max(o.limit-c.cfg.Clock.Now().Sub(start), time.Millisecond)
	}

	c.mu.Lock()
	if c.closed || c.end != nil {
		c.mu.Unlock()
		return 0, c.whyNotSent(o.op)
	}
	c.sent++ // first: the worker may acknowledge before sendmsg is back
	f := frame{kind: o.kind, epoch: c.epoch, seq: c.sent, ack: c.handled}
	if o.kind == typePing {
		c.pings++
		o.payload = encodeUint64(c.pings)
	}
	c.mu.Unlock()

	c.out = appendHead(c.out[:0], f, len(o.grants), len(o.payload))
	for _, g := range o.grants {
		c.out = g.appendSlot(c.out)
	}
	c.out = append(c.out, o.payload...)
	if o.pipe == nil {
		err = c.ch.send(c.cfg.Clock, o.limit, c.out, nil)
	} else {
		err = c.sendRights(o)
	}
	if err != nil {
		c.mu.Lock()
		c.sent--
		if o.kind == typePing {
			c.pings--
		}
		c.mu.Unlock()
		return 0, &Error{Op: o.op, Peer: c.peer, Seq: f.seq, Err: err}
	}
	return f.seq, nil
}

// sendRights sends the record in c.out with the copies of the grants and the
// pipe, which stay open for the length of the call, whoever else closes them.
func (c *Conn) sendRights(o outgoing) error {
	c.lent = c.lent[:0]
	for _, g := range o.grants {
		c.lent = append(c.lent, g.copy)
	}
	c.lent = append(c.lent, o.pipe)
	err := fd.BorrowAll(c.lent, c.numbers[:0], func(numbers []int) error {
		c.rights = sys.ScmAppendRights(c.rights[:0], numbers)
		return c.ch.send(c.cfg.Clock, o.limit, c.out, c.rights)
	})
	if err == os.ErrClosed {
		return ErrClosed // Conn.Close was quicker
	}
	return err
}

// takeTurn waits for the record that is being sent now.
func (c *Conn) takeTurn(limit time.Duration) bool {
	select {
	case c.sending <- struct{}{}:
		return true
	default:
	}
	if limit < 0 {
		return false
	}
	over := make(chan struct{})
	defer c.cfg.Clock.AfterFunc(limit, func() { close(over) })()
	select {
	case c.sending <- struct{}{}:
		return true
	case <-over:
		return false
	}
}

func (c *Conn) whyNotSent(op string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return &Error{Op: op, Peer: c.peer, Err: ErrClosed}
	}
	return &Error{Op: op, Peer: c.peer, Err: fmt.Errorf("%w: %w", ErrClosed, c.end)}
}
