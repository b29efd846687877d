package scmrights

import (
	"errors"
	"fmt"
	"time"

	"sallyport/internal/fault"
)

// resendDelay is the wait before the first time a lost descriptor is sent
// again; it doubles with each attempt. A worker that had no free numbers needs
// a moment to close some.
const resendDelay = 20 * time.Millisecond

// run follows one offer to its end: it waits for the receipt, settles what the
// receipt decides, and sends again what was lost, at most Config.Resends times.
// What room has of the first receipt was read before.
func (o *offer) run(b batch, room *scratch) {
	c := o.conn
	defer o.over(room)
	for attempt := 0; ; attempt++ {
		if !room.read {
			o.readFirst(b, room)
		}
		if !room.read {
			room.answer, room.err = o.readSlowly(b, room)
		}
		room.read = false
		fault.Point("P5")
		again, why := o.settle(b, room.answer, room.err, room)
		fault.Point("P6")
		if len(again) == 0 {
			return
		}
		if attempt >= c.cfg.Resends || !c.alive() || !o.pause(attempt, why, room.credits) {
			o.abandon(again, why)
			return
		}
		if err := accept(o.proof, c.proofLevel(o.exclusive)); err != nil {
			o.abandon(again, fmt.Errorf("%w, and not sent again: %w", ErrLost, err))
			return
		}
		var err error
		if b, err = o.send(again); err != nil {
			o.abandon(again, fmt.Errorf("%w, and not sent again: %w", ErrLost, err))
			return
		}
	}
}

// pause waits before grants are sent again; it is false when they need not be. A
// worker that refused them for want of numbers says by CREDIT when it has some,
// and has as long for it as for a receipt. Of one whose recvmsg was cut nothing
// can be expected: it is tried again after a moment.
func (o *offer) pause(attempt int, why error, credits <-chan struct{}) bool {
	c := o.conn
	if errors.Is(why, ErrRefused) {
		return sleep(c.cfg.Clock, c.cfg.ReceiptTimeout, credits, c.ended) == woken
	}
	return sleep(c.cfg.Clock, resendDelay<<min(attempt, 8), credits, c.ended) != stopped
}

// settle ends the grants of which the receipt decides, and returns those that
// can be sent again, with what they end in if they are not.
//
//	receipt       delivered or refused, slot by slot; "no free slot" can be tried again
//	no receipt    lost: nobody has it, all can be tried again
//	no end        expired: nobody knows who has it; also when it cannot be read
//	anything else a fault of the worker, and expired: it may have taken all the same
func (o *offer) settle(b batch, verdicts []verdict, err error, room *scratch) (again []*Grant, why error) {
	c := o.conn
	switch {
	case errors.Is(err, ErrExpired):
		o.endAll(b.grants, StateExpired, err)
		c.abort(b.seq)
		return nil, nil
	case err != nil:
		o.endAll(b.grants, StateExpired, fmt.Errorf("%w: %w", ErrExpired, err))
		if errors.Is(err, ErrProtocol) {
			c.finish(&Error{Op: "receipt", Peer: c.peer, Seq: b.seq, Err: err})
		}
		return nil, nil
	case verdicts == nil:
		return b.grants, fmt.Errorf("%w: the receipt pipe ended without a receipt", ErrLost)
	}
	taken, again := o.read(b, verdicts, room.taken[:0])
	switch {
	case len(taken) == 0:
	case o.exclusive:
		o.commit(b, taken, room)
	default:
		o.deliver(b, taken, room)
	}
	if len(again) != 0 {
		why = fmt.Errorf("%w: %s", ErrRefused, StatusNoSlot)
	}
	return again, why
}

// read notes what the receipt says of each slot and ends what was refused. Those
// that were taken are appended to room.
func (o *offer) read(b batch, verdicts []verdict, room []*Grant) (taken, again []*Grant) {
	c := o.conn
	now := c.cfg.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := false
	for i, v := range verdicts {
		g := b.grants[i]
		g.status = v.status
		switch v.status {
		case StatusTaken:
			g.number, g.latency = v.number, now.Sub(g.sent.at)
			room = append(room, g)
		case StatusNoSlot:
			again = append(again, g)
		default:
			g.finish(StateRefused, fmt.Errorf("%w: %s", ErrRefused, v.status))
			ended = true
		}
	}
	if ended {
		o.announce()
	}
	return room, again
}

// deliver ends grants well. In ModeMove our copies are closed now and not
// before: the receipt is the first moment at which the worker is known to have
// them. Some are looked at in the worker first, if Config.Compare says so.
func (o *offer) deliver(b batch, taken []*Grant, room *scratch) {
	c := o.conn
	if c.cfg.PidFD != nil && c.cfg.Compare > 0 {
		if forged := o.sample(taken); forged != nil {
			o.endAll(b.grants, StateExpired, fmt.Errorf("%w: %w", ErrExpired, forged))
			c.finish(&Error{Op: "receipt", Peer: c.peer, Seq: b.seq, Err: forged})
			return
		}
	}
	moved := room.moved[:0]
	for _, g := range taken {
		if g.slot.mode == ModeMove {
			moved = append(moved, g)
		}
	}
	if len(moved) != 0 {
		c.ledger.dropMany(moved, room.numbers[:0])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range taken {
		g.finish(StateDelivered, nil)
		g.leave()
	}
	o.announce()
}

// sample compares some of the grants (identity level 2). Gone is no fault: the
// worker may have closed it by now.
func (o *offer) sample(taken []*Grant) error {
	c := o.conn
	for _, g := range taken {
		if g.number < 0 || !c.tokens.oneIn(c.cfg.Compare) {
			continue
		}
		found, _ := c.compare(g, g.number)
		c.mu.Lock()
		g.identity = found
		c.mu.Unlock()
		if found == IdentityOther {
			return fmt.Errorf("%w: descriptor %d of the worker is not %s", ErrForged, g.number, g.slot.name)
		}
	}
	return nil
}

func (o *offer) endAll(grants []*Grant, to State, why error) {
	c := o.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range grants {
		g.finish(to, why)
	}
	o.announce()
}

// abandon ends grants that could have been sent again and are not.
func (o *offer) abandon(grants []*Grant, why error) {
	to := StateLost
	if errors.Is(why, ErrRefused) {
		to = StateRefused
	}
	o.endAll(grants, to, why)
}

// abort tells the worker to close what the OFFER with this number brought. A
// worker that does not read is not waited for: it is to be ended.
func (c *Conn) abort(seq uint64) {
	_, _ = c.transmit(outgoing{op: "abort", kind: typeAbort, payload: encodeUint64(seq), limit: -1})
}

// alive says whether there is somebody to send to.
func (c *Conn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && c.end == nil && c.phase != phaseBye
}

// creditChange is closed when the worker next says how much room it has.
func (c *Conn) creditChange() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credits
}
