package scmrights

import (
	"errors"
	"io"
	"os"

	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// dispatch is everything that a worker can make its parent do. A type that is
// not here, or that comes in another phase, ends the channel.
var dispatch = map[recordType]struct {
	phase phase
	slots int // the most slot records that it may have
	act   func(*Conn, *record) error
}{
	typeHello:    {phaseNew, 0, (*Conn).onHello},
	typeReleased: {phaseWelcome, 5, (*Conn).onReleased},
	typeCredit:   {phaseWelcome, 0, (*Conn).onCredit},
	typePing:     {phaseWelcome, 0, (*Conn).onPing},
	typePong:     {phaseWelcome, 0, (*Conn).onPong},
	typeBye:      {phaseWelcome, 0, (*Conn).onBye},
	typeMessage:  {phaseWelcome, 0, (*Conn).onMessage},
}

// read is the goroutine that reads the channel until it ends.
func (c *Conn) read() {
	defer c.wg.Done()
	buf := make([]byte, maxWorkerRecord)
	// Room for all that the kernel can bring: an honest record brings only
	// credentials, but what arrives beside it has to be seen to be closed.
	control := make([]byte, sys.ScmControlSpace(sys.ScmMaxRights))
	for {
		a, err := c.ch.receive(buf, control)
		if err == nil {
			err = c.judge(&a)
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			if c.stands() {
				return
			}
			continue // Resume was quicker
		}
		if err != nil {
			c.finish(err)
			return
		}
	}
}

// judge looks at one arrival and acts on it. The threat: everything in it was
// chosen by a worker that may have been taken over.
func (c *Conn) judge(a *arrival) error {
	_ = fd.CloseAll(a.rights) // a worker has nothing to give
	if len(a.data) == 0 && !a.control {
		return io.EOF
	}
	if err := a.cut(maxWorkerRecord); err != nil {
		return faultf("%v", err)
	}
	switch {
	case len(a.rights) != 0:
		return faultf("%d descriptors came from the worker; they were closed", len(a.rights))
	case len(a.data) == 0:
		return faultf("an empty record")
	case c.cfg.PID != 0 && a.creds == nil:
		return faultf("a record without its sender's credentials")
	case c.cfg.PID != 0 && int(a.creds.Pid) != c.cfg.PID:
		// SO_PEERCRED would name whoever made the pair; only the credentials
		// that the kernel puts beside each record name its sender.
		return faultf("a record of process %d on the channel of process %d", a.creds.Pid, c.cfg.PID)
	}
	r, err := decodeRecord(a.data)
	if err != nil {
		return err
	}
	return c.act(&r)
}

// act checks what depends on what came before, and calls the table's function.
func (c *Conn) act(r *record) error {
	entry, known := dispatch[r.kind]
	c.mu.Lock()
	switch {
	case !known:
		c.mu.Unlock()
		return faultf("%s is not for workers to send", r.kind)
	case c.phase != entry.phase:
		p := c.phase
		c.mu.Unlock()
		return faultf("%s %s", r.kind, misplaced[p])
	case r.seq != c.received+1:
		want := c.received + 1
		c.mu.Unlock()
		return faultf("%s has number %d, expected was %d", r.kind, r.seq, want)
	case r.epoch != c.epoch:
		epoch := c.epoch
		c.mu.Unlock()
		return faultf("%s of epoch %d in epoch %d", r.kind, r.epoch, epoch)
	case r.ack < c.acked || r.ack > c.sent:
		acked, sent := c.acked, c.sent
		c.mu.Unlock()
		return faultf("%s acknowledges record %d; %d were sent, %d acknowledged", r.kind, r.ack, sent, acked)
	case len(r.slots) > entry.slots:
		c.mu.Unlock()
		return faultf("%s with %d slots", r.kind, len(r.slots))
	}
	c.received, c.acked = r.seq, r.ack
	c.mu.Unlock()
	return entry.act(c, r)
}

var misplaced = map[phase]string{
	phaseNew:     "before HELLO",
	phaseHello:   "before WELCOME was sent",
	phaseWelcome: "after the channel was opened",
	phaseBye:     "after BYE",
}

func (c *Conn) onHello(r *record) error {
	h, err := decodeHello(r.payload)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.hi = phaseHello, h
	if h.Credit != 0 {
		c.credit = int(min(h.Credit, MaxSlots*MaxSlots))
	}
	close(c.hello)
	return nil
}

func (c *Conn) onCredit(r *record) error {
	n, err := decodeUint(r, creditSize)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credit = int(min(n, MaxSlots*MaxSlots))
	close(c.credits) // wakes what waits to be sent again
	c.credits = make(chan struct{})
	return nil
}

// onPing answers. A worker that pings and does not read is at fault when the
// answer has waited for SendTimeout.
func (c *Conn) onPing(r *record) error {
	nonce, err := decodeUint(r, nonceSize)
	if err != nil {
		return err
	}
	_, err = c.transmit(outgoing{op: "pong", kind: typePong, payload: encodeUint64(nonce), limit: c.cfg.SendTimeout})
	if errors.Is(err, ErrBlocked) {
		return faultf("PING from a worker that does not read the answers")
	}
	return nil // another error is met by the next receive
}

func (c *Conn) onPong(r *record) error {
	nonce, err := decodeUint(r, nonceSize)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if nonce != c.pongs+1 || nonce > c.pings {
		return faultf("PONG %d; %d were asked for, %d answered", nonce, c.pings, c.pongs)
	}
	c.pongs = nonce
	return nil
}

func (c *Conn) onBye(r *record) error {
	reason, err := decodeUint(r, byeSize)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.bye = phaseBye, uint32(reason)
	return nil
}

func (c *Conn) onMessage(r *record) error {
	m, err := decodeMessage(r)
	if err != nil {
		return err
	}
	select {
	case c.inbox <- m:
	case <-c.ctx.Done():
	}
	return nil
}

// finish notes why nothing more will be read; the first reason stays. After a
// fault both directions are shut, so that the worker sees the end at once.
func (c *Conn) finish(err error) {
	c.mu.Lock()
	if c.end != nil {
		c.mu.Unlock()
		return
	}
	guilty := isFault(err)
	if _, typed := err.(*Error); !typed && err != io.EOF && err != ErrClosed {
		err = &Error{Op: "receive", Peer: c.peer, Seq: c.received + 1, Err: err}
	}
	c.end = err
	close(c.ended)
	c.mu.Unlock()
	if guilty {
		c.ch.shutdown()
		if c.cfg.OnFault != nil {
			c.cfg.OnFault(err)
		}
	}
}

// isFault tells the ends after which the worker is to be ended from the others.
func isFault(err error) bool {
	for _, f := range []error{ErrProtocol, ErrForged, ErrShared, ErrKept} {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}
