package scmrights

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"sallyport/internal/fd"
)

// Grant is one offered descriptor. It ends in exactly one of delivered (in
// ModeExclusive: committed), refused, lost, expired and aborted; those that the
// worker has go on to released, revoked or orphaned.
type Grant struct {
	conn  *Conn
	offer *offer
	slot  *slot
	copy  *fd.FD // the ledger's, or that of held; owns none when it was closed or reclaimed
	held  *Held  // nil when the copy is the ledger's
	index uint8  // in offer.all

	ended atomic.Bool // the question that Wait asks is answered; set with conn.mu held

	// All of the following is guarded by conn.mu.
	state    State
	parted   bool // closed by the caller: words about it are late
	early    bool // RELEASED was read before the receipt, or before COMMIT was noted
	borrows  bool // counted as borrowed: guarded by ledger.mu
	status   Status
	identity Identity
	number   int32
	attempts int32
	sent     *sent // the last record that carried it, nil before there is one
	latency  time.Duration
	recall   *recall // set from REVOKE on
	err      error
}

// sent is a record of an offer that is on its way.
type sent struct {
	seq uint64
	at  time.Time
}

// appendSlot appends its slot record.
func (g *Grant) appendSlot(dst []byte) []byte {
	if g.held == nil {
		return g.slot.append(dst)
	}
	t := g.offer.token(int(g.index))
	return append(append(dst, t[:]...), g.held.wire...)
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
	return int(g.attempts)
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

// Identity is what comparing the worker's copy with the ledger's has shown.
func (g *Grant) Identity() Identity {
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	return g.identity
}

// Wait blocks until the descriptor is delivered, in ModeExclusive committed
// (nil), or known not to be: an *Error that wraps ErrRefused, ErrLost,
// ErrExpired, ErrForged or ErrShared. After ErrExpired the worker may have it
// all the same; end the worker.
func (g *Grant) Wait(ctx context.Context) error {
	for {
		if g.ended.Load() {
			return g.err // not changed any more
		}
		if g.offer.attend(ctx) {
			continue
		}
		g.conn.mu.Lock()
		turn := g.offer.turn
		g.conn.mu.Unlock()
		if g.ended.Load() {
			return g.err
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return &Error{Op: "receipt of " + g.slot.name, Peer: g.conn.peer, Err: ctx.Err()}
		}
	}
}

// Reclaim gives the ledger's copy back to the caller, so that it can be offered
// to a successor: of a grant that was refused, lost or expired, or that is
// shared or lent. Of one still on its way, moved and delivered, or exclusive
// and committed, there is none.
func (g *Grant) Reclaim() (*os.File, error) {
	if !g.answered() {
		return nil, &Error{Op: "reclaim of " + g.slot.name, Peer: g.conn.peer, Err: fmt.Errorf("its receipt is not in: it is %s", g.State())}
	}
	f := g.conn.ledger.reclaim(g)
	if f == nil && g.held != nil {
		return nil, &Error{Op: "reclaim of " + g.slot.name, Peer: g.conn.peer, Err: errors.New("it was offered as held: its Held is there to be offered again")}
	}
	if f == nil {
		return nil, &Error{Op: "reclaim of " + g.slot.name, Peer: g.conn.peer, Err: fmt.Errorf("no copy is held: it is %s", g.State())}
	}
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	if !g.atWorker() {
		g.part()
	}
	return f, nil
}

// Close gives up the ledger's copy, when the receipt is in and nobody will want
// it back. The worker's is not touched. Closing twice is nothing; Conn.Close
// closes what is left.
func (g *Grant) Close() error {
	if !g.answered() {
		return &Error{Op: "close of " + g.slot.name, Peer: g.conn.peer, Err: fmt.Errorf("its receipt is not in: it is %s", g.State())}
	}
	err := g.conn.ledger.drop(g)
	g.conn.mu.Lock()
	last := g.part() && g.conn.spare == nil && !g.conn.closing
	g.conn.mu.Unlock()
	if last {
		g.conn.prepare()
	}
	return err
}

// part strikes the grant off those that the worker may speak of, and with the
// last one, of which it says so, the offer; conn.mu is held.
func (g *Grant) part() (last bool) {
	if g.parted {
		return false
	}
	g.parted = true
	g.offer.parted++
	if g.offer.parted < len(g.offer.all) {
		return false
	}
	delete(g.conn.offered, g.offer.id)
	return true
}

// atWorker says that the worker may have it to use; conn.mu is held.
func (g *Grant) atWorker() bool {
	return g.state == StateCommitted || g.state == StateDelivered && !g.offer.exclusive
}

// leave does what an early RELEASED asked for; conn.mu is held.
func (g *Grant) leave() {
	if g.early && g.atWorker() {
		g.step(StateReleased)
	}
}

func (g *Grant) answered() bool { return g.ended.Load() }

// seq is that of the last record that carried it, 0 before there is one.
func (g *Grant) seq() uint64 {
	if g.sent == nil {
		return 0
	}
	return g.sent.seq
}

// step moves the grant on; conn.mu is held. It is false, and nothing happens,
// when the table does not have the step: a grant that has ended stays ended.
func (g *Grant) step(to State) bool {
	if stateAfter[g.state]&(1<<to) == 0 {
		return false
	}
	g.state = to
	return true
}

// finish answers the question that Wait asks; conn.mu is held. Whoever calls it
// calls offer.announce when it has finished all that it can.
func (g *Grant) finish(to State, err error) {
	if g.ended.Load() || !g.step(to) {
		return
	}
	if err != nil {
		g.err = &Error{Op: "receipt of " + g.slot.name, Peer: g.conn.peer, Seq: g.seq(), Err: err}
	}
	g.offer.free(1)
	g.ended.Store(true)
}
