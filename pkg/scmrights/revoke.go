package scmrights

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// recall is one call of Revoke.
type recall struct {
	left int // grants that the worker has not released; guarded by conn.mu
	stop func() bool
	done chan struct{} // closed when left is 0
}

// Revoke takes grants back that the worker has: it says REVOKE and waits until
// the worker has released every one, at most Config.RevokeTimeout. What was lent
// (ModeLend) the worker's library closes itself; of the other modes its plugin
// has to. A grant that was released before counts as taken back.
//
// When the time is over, or the worker does not read, the channel ends with
// ErrKept, also after the caller has stopped waiting: only the worker's end can
// take the descriptor from it then. Where Config.PidFD allows it, the word of the
// worker is not believed: its descriptor is looked for, and ErrForged ends the
// channel when it is still there. The ledger's copy stays (Grant.Reclaim).
func (c *Conn) Revoke(ctx context.Context, grants ...*Grant) error {
	r, called, err := c.callBack(grants)
	if err != nil {
		return &Error{Op: "revoke", Peer: c.peer, Err: err}
	}
	for from := 0; from < len(called); from += MaxSlots {
		part := called[from:min(from+MaxSlots, len(called))]
		limit := binary.LittleEndian.AppendUint32(nil, uint32(c.cfg.RevokeTimeout/time.Millisecond))
		if _, err := c.transmit(outgoing{op: "revoke", kind: typeRevoke, grants: part, payload: limit, limit: c.cfg.SendTimeout}); err != nil {
			c.overdue(r, fmt.Errorf("%w: REVOKE was not taken: %w", ErrKept, err))
			return err
		}
	}
	select {
	case <-r.done:
		return c.checkReleased(called)
	case <-ctx.Done():
		return &Error{Op: "revoke", Peer: c.peer, Err: ctx.Err()}
	case <-c.ended:
	}
	select {
	case <-r.done:
		return c.checkReleased(called)
	default:
		return c.whyEnded("revoke")
	}
}

// callBack marks the grants and starts the time that the worker has.
func (c *Conn) callBack(grants []*Grant) (*recall, []*Grant, error) {
	r := &recall{done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	var called []*Grant
	for _, g := range grants {
		switch {
		case g.conn != c:
			return nil, nil, fmt.Errorf("%s was offered on another channel", g.slot.name)
		case g.recall != nil && g.atWorker():
			return nil, nil, fmt.Errorf("%s is being revoked", g.slot.name)
		case g.atWorker() && !g.parted:
			called = append(called, g)
		case g.state == StateReleased, g.state == StateRevoked:
		default:
			return nil, nil, fmt.Errorf("%s is %s, not at the worker", g.slot.name, g.state)
		}
	}
	r.left = len(called)
	if r.left == 0 {
		r.stop = func() bool { return false }
		close(r.done)
		return r, nil, nil
	}
	for _, g := range called {
		g.recall = r
	}
	r.stop = c.cfg.Clock.AfterFunc(c.cfg.RevokeTimeout, func() {
		c.overdue(r, fmt.Errorf("%w: %v are over", ErrKept, c.cfg.RevokeTimeout))
	})
	c.recalls[r] = struct{}{}
	return r, called, nil
}

// overdue ends the channel of a worker that has kept something.
func (c *Conn) overdue(r *recall, why error) {
	c.mu.Lock()
	left := r.left
	delete(c.recalls, r)
	r.stop()
	c.mu.Unlock()
	if left > 0 {
		c.finish(&Error{Op: "revoke", Peer: c.peer, Err: fmt.Errorf("%d descriptors: %w", left, why)})
	}
}

// onReleased notes what the worker says it has closed. Words about a grant that
// has ended are late, not wrong; they are counted.
func (c *Conn) onReleased(r *record) error {
	if len(r.slots) == 0 || len(r.payload) != 0 {
		return faultf("RELEASED with %d slots and %d bytes", len(r.slots), len(r.payload))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range r.slots {
		g := c.find(r.slots[i].token)
		if g != nil && (g.state == StateSent || g.state == StateDelivered && g.offer.exclusive) {
			// The receipt comes by the pipe and this by the socket, and
			// two goroutines read them: the later word can be read first.
			g.early = true
			continue
		}
		if g == nil || !g.atWorker() {
			c.late++
			continue
		}
		back := g.recall
		if back == nil {
			g.step(StateReleased)
			continue
		}
		g.step(StateRevoked)
		if back.left--; back.left == 0 {
			back.stop()
			delete(c.recalls, back)
			close(back.done)
		}
	}
	return nil
}

// checkReleased looks in the worker for descriptors that it says it has closed.
func (c *Conn) checkReleased(grants []*Grant) error {
	if c.cfg.PidFD == nil {
		return nil
	}
	for _, g := range grants {
		if number := g.WorkerFD(); number >= 0 {
			if found, _ := c.compare(g, number); found == IdentitySame {
				err := &Error{Op: "revoke", Peer: c.peer, Err: fmt.Errorf("%w: %s is still open there as descriptor %d", ErrForged, g.slot.name, number)}
				c.finish(err)
				return err
			}
		}
	}
	return nil
}
