package scmrights

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// Grant is one offered descriptor. It ends in exactly one of delivered, refused,
// lost, expired and aborted; delivered ones go on to released or orphaned.
type Grant struct {
	conn  *Conn
	offer *offer
	slot  slot
	done  chan struct{} // closed when the receipt's question is answered

	// All of the following is guarded by conn.mu.
	state    State
	err      error
	seq      uint64 // the last record that carried it
	attempts int
	sentAt   time.Time
	latency  time.Duration
	status   Status
	number   int32
}

// Name is the name it was offered under.
func (g *Grant) Name() string { return g.slot.name }

// Kind is the kind it was offered as.
func (g *Grant) Kind() Kind { return g.slot.kind }

// Mode is the mode it was offered in.
func (g *Grant) Mode() Mode { return g.slot.mode }

// State is where the grant is now.
func (g *Grant) State() State {
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	return g.state
}

// Attempts is how many times it was sent.
func (g *Grant) Attempts() int {
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	return g.attempts
}

// Latency is the time from the send that succeeded to its receipt, 0 when there
// is none.
func (g *Grant) Latency() time.Duration {
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	return g.latency
}

// Status is what the worker's receipt said last.
func (g *Grant) Status() Status {
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	return g.status
}

// WorkerFD is the number that the descriptor has in the worker by its own
// account, -1 when it gave none. A worker can lie: compare before use.
func (g *Grant) WorkerFD() int32 {
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	return g.number
}

// Wait blocks until the descriptor is delivered (nil) or known not to be: an
// *Error that wraps ErrRefused, ErrLost or ErrExpired. After ErrExpired the
// worker may have it all the same; end the worker.
func (g *Grant) Wait(ctx context.Context) error {
	select {
	case <-g.done:
	default:
		select {
		case <-g.done:
		case <-ctx.Done():
			return &Error{Op: "receipt of " + g.slot.name, Peer: g.conn.peer, Err: ctx.Err()}
		}
	}
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	return g.err
}

// Reclaim gives the ledger's copy back to the caller, so that it can be offered
// to a successor: of a grant that was refused, lost or expired, or that is
// shared. Of one still on its way, or moved and delivered, there is none.
func (g *Grant) Reclaim() (*os.File, error) {
	select {
	case <-g.done:
	default:
		return nil, &Error{Op: "reclaim of " + g.slot.name, Peer: g.conn.peer, Err: fmt.Errorf("its receipt is not in: it is %s", g.State())}
	}
	f := g.conn.ledger.reclaim(g)
	if f == nil {
		return nil, &Error{Op: "reclaim of " + g.slot.name, Peer: g.conn.peer, Err: fmt.Errorf("no copy is held: it is %s", g.State())}
	}
	return f, nil
}

// Close gives up the ledger's copy, when the receipt is in and nobody will want
// it back. The worker's is not touched. Closing twice is nothing; Conn.Close
// closes what is left.
func (g *Grant) Close() error {
	select {
	case <-g.done:
	default:
		return &Error{Op: "close of " + g.slot.name, Peer: g.conn.peer, Err: fmt.Errorf("its receipt is not in: it is %s", g.State())}
	}
	g.conn.forget(g)
	return g.conn.ledger.drop(g)
}

// step moves the grant on; conn.mu is held. It is false, and nothing happens,
// when the table does not have the step: a grant that has ended stays ended.
func (g *Grant) step(to State) bool {
	if !slices.Contains(stateAfter[g.state], to) {
		return false
	}
	g.state = to
	return true
}

// finish answers the question that Wait asks; conn.mu is held.
func (g *Grant) finish(to State, err error) {
	if !g.step(to) {
		return
	}
	g.offer.free(1)
	if err != nil {
		g.err = &Error{Op: "receipt of " + g.slot.name, Peer: g.conn.peer, Seq: g.seq, Err: err}
	}
	close(g.done)
}
