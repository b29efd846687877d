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
func (o *offer) run(b batch) {
	c := o.conn
	defer c.wg.Done()
	for attempt := 0; ; attempt++ {
		credits := c.creditChange()
		verdicts, err := o.readReceipt(b)
		fault.Point("P5")
		again, why := o.settle(b, verdicts, err)
		fault.Point("P6")
		if len(again) == 0 {
			fault.Point("P7")
			return
		}
		if attempt >= c.cfg.Resends || !c.alive() || !sleep(c.cfg.Clock, resendDelay<<min(attempt, 8), credits, c.ended) {
			c.abandon(again, why)
			return
		}
		if err := accept(o.proof, c.cfg.Proof); err != nil {
			c.abandon(again, fmt.Errorf("%w, and not sent again: %w", ErrLost, err))
			return
		}
		if b, err = o.send(again); err != nil {
			c.abandon(again, fmt.Errorf("%w, and not sent again: %w", ErrLost, err))
			return
		}
	}
}

// settle ends the grants of which the receipt decides, and returns those that
// can be sent again, with what they end in if they are not.
//
//	receipt       delivered or refused, slot by slot; "no free slot" can be tried again
//	no receipt    lost: nobody has it, all can be tried again
//	no end        expired: nobody knows who has it; also when it cannot be read
//	anything else a fault of the worker
func (o *offer) settle(b batch, verdicts []verdict, err error) (again []*Grant, why error) {
	c := o.conn
	switch {
	case errors.Is(err, ErrExpired):
		c.endAll(b.grants, StateExpired, err)
		_, _ = c.transmit(outgoing{op: "abort", kind: typeAbort, payload: encodeUint64(b.seq), limit: -1})
		return nil, nil
	case err != nil:
		c.endAll(b.grants, StateLost, fmt.Errorf("%w: %w", ErrLost, err))
		if errors.Is(err, ErrProtocol) {
			c.finish(&Error{Op: "receipt", Peer: c.peer, Seq: b.seq, Err: err})
		}
		return nil, nil
	case verdicts == nil:
		return b.grants, fmt.Errorf("%w: the receipt pipe ended without a receipt", ErrLost)
	}
	now := c.cfg.Clock.Now()
	for i, v := range verdicts {
		g := b.grants[i]
		switch v.status {
		case StatusTaken:
			c.deliver(g, v, now)
		case StatusNoSlot:
			again = append(again, g)
			c.note(g, v)
		default:
			c.note(g, v)
			c.endAll([]*Grant{g}, StateRefused, fmt.Errorf("%w: %s", ErrRefused, v.status))
		}
	}
	return again, fmt.Errorf("%w: %s", ErrRefused, StatusNoSlot)
}

// deliver ends a grant well. In ModeMove our copy is closed now and not before:
// the receipt is the first moment at which the worker is known to have one.
func (c *Conn) deliver(g *Grant, v verdict, now time.Time) {
	if g.slot.mode == ModeMove {
		_ = c.ledger.drop(g)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g.status, g.number = v.status, v.number
	g.latency = now.Sub(g.sentAt)
	g.finish(StateDelivered, nil)
}

func (c *Conn) note(g *Grant, v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.status = v.status
}

func (c *Conn) endAll(grants []*Grant, to State, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range grants {
		g.finish(to, why)
	}
}

// abandon ends grants that could have been sent again and are not.
func (c *Conn) abandon(grants []*Grant, why error) {
	to := StateLost
	if errors.Is(why, ErrRefused) {
		to = StateRefused
	}
	c.endAll(grants, to, why)
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
