package scmrights

import (
	"fmt"
	"os"

	"sallyport/internal/fault"
	"sallyport/internal/fd"
)

// Item is a descriptor to be offered. File is borrowed for the call: the Conn
// makes a copy of its own, and the caller may close File as soon as Offer is
// back, and should in ModeMove. In ModeExclusive an Offer that succeeds closes
// File itself, before the worker can have answered. For kinds whose reads never
// wait (attribute, file, directory, memfd) O_NONBLOCK is cleared on the open
// file description.
type Item struct {
	Name   string // 1 to MaxName bytes of UTF-8, unique within the offer
	Kind   Kind
	Mode   Mode
	Access Access
	File   *os.File
}

// offer is a batch on its way: the descriptors of one record, their receipt
// pipe, and whatever has to be sent again.
type offer struct {
	conn      *Conn
	proof     Proof
	id        offerID
	first     uint32  // what the tokens count from
	all       []Grant // of the items in their order
	exclusive bool    // all of them are, or none

	// All of the following is guarded by conn.mu.
	open   int           // slots it has reserved at the worker: grants that have not ended
	parted int           // grants that the caller has closed
	turn   chan struct{} // closed when some grants have ended; made anew while others have not
	pipes  [2]int32      // numbers of the receipt pipe's ends, plus one; 0 when not open here
}

// Offer sends descriptors to the worker, at most MaxSlots, in one record. When
// it returns without an error they are on their way, and each Grant tells the
// end of one; with an error nothing was sent and nothing is held. It waits for
// the worker's channel at most Config.SendTimeout and never for the receipt.
// Either all of the items are in ModeExclusive or none is.
func (c *Conn) Offer(p Proof, items []Item) ([]*Grant, error) {
	if err := c.checkItems(items); err != nil {
		return nil, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	if err := accept(p, c.proofLevel(items[0].Mode == ModeExclusive)); err != nil {
		return nil, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	o := &offer{conn: c, proof: p, exclusive: items[0].Mode == ModeExclusive, turn: make(chan struct{})}
	if err := o.reserve(len(items)); err != nil {
		return nil, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	if err := o.holdAll(items); err != nil {
		o.giveUp()
		return nil, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	grants := make([]*Grant, len(o.all))
	for i := range o.all {
		grants[i] = &o.all[i]
	}
	fault.Point("P2")
	b, err := o.send(grants)
	if err != nil {
		o.giveUp()
		return nil, err
	}
	if o.exclusive {
		for _, it := range items {
			_ = it.File.Close() // before anybody looks for a second copy
		}
	}
	go o.run(b)
	return grants, nil
}

func (c *Conn) checkItems(items []Item) error {
	if len(items) == 0 || len(items) > MaxSlots {
		return fmt.Errorf("%d descriptors, an offer has 1 to %d", len(items), MaxSlots)
	}
	var names nameSet
	for i := range items {
		it := &items[i]
		if err := checkName(it.Name); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
		switch {
		case it.Name == "":
			return fmt.Errorf("item %d has no name", i)
		case !names.add(items, i):
			return fmt.Errorf("%q is in the offer twice", it.Name)
		case it.File == nil:
			return fmt.Errorf("%s: no file", it.Name)
		case !it.Kind.known():
			return fmt.Errorf("%s: unknown %s", it.Name, it.Kind)
		case it.Mode > ModeLend || it.Access > AccessBoth:
			return fmt.Errorf("%s: %s, %s: %w", it.Name, it.Mode, it.Access, ErrUnsupported)
		case (it.Mode == ModeExclusive) != (items[0].Mode == ModeExclusive):
			return fmt.Errorf("%s: mode %s beside mode %s: an offer is exclusive as a whole or not at all", it.Name, it.Mode, items[0].Mode)
		case it.Mode == ModeExclusive && c.cfg.PidFD == nil:
			return fmt.Errorf("%s: mode %s: %w without Config.PidFD", it.Name, it.Mode, ErrUnsupported)
		}
	}
	return nil
}

// reserve takes a place in the window, slots of the worker's credit and of the
// budget, and joins the goroutine of the offer to those that Close waits for.
func (o *offer) reserve(slots int) error {
	c := o.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return ErrClosed
	case c.end != nil:
		return fmt.Errorf("%w: %w", ErrClosed, c.end)
	case c.phase == phaseHello:
		return fmt.Errorf("%w: WELCOME comes before the first offer", ErrProtocol)
	case c.offers >= c.cfg.Window:
		return fmt.Errorf("%w: %d offers wait for their receipts", ErrBusy, c.offers)
	case c.credit >= 0 && c.slots+slots > c.credit:
		return fmt.Errorf("%w: %d descriptors on their way and %d more, it has room for %d", ErrBusy, c.slots, slots, c.credit)
	}
	if err := c.cfg.Budget.take(slots + 1); err != nil {
		return err
	}
	o.open = slots
	c.offers++
	c.slots += slots
	c.wg.Add(1)
	return nil
}

// free returns reserved slots, and with the last one the place in the window
// and the pipe's share of the budget; conn.mu is held.
func (o *offer) free(slots int) {
	o.open -= slots
	o.conn.slots -= slots
	if o.open == 0 {
		o.conn.offers--
		slots++
	}
	o.conn.cfg.Budget.put(slots)
}

// announce wakes those who wait for a grant of the offer; conn.mu is held.
func (o *offer) announce() {
	close(o.turn)
	if o.open > 0 {
		o.turn = make(chan struct{})
	}
}

// holdAll copies every item into the ledger. With an error it has kept none.
func (o *offer) holdAll(items []Item) error {
	c := o.conn
	o.all = make([]Grant, len(items))
	if err := c.tokens.draw(o); err != nil {
		return err
	}
	for i := range items {
		it, g := &items[i], &o.all[i]
		g.conn, g.offer, g.number, g.state = c, o, -1, StateHeld
		g.slot = slot{token: o.token(i), kind: it.Kind, mode: it.Mode, access: it.Access, name: it.Name}
		if err := c.ledger.hold(g, it.File); err != nil {
			for j := range i {
				_ = o.all[j].copy.Close() // not booked yet
			}
			o.all = nil
			return fmt.Errorf("%s: %w", it.Name, err)
		}
	}
	c.ledger.held(len(items))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offered[o.id] = o
	return nil
}

// giveUp ends an offer whose grants never left.
func (o *offer) giveUp() {
	c := o.conn
	defer c.wg.Done()
	for i := range o.all {
		_ = c.ledger.drop(&o.all[i])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.offered, o.id)
	for i := range o.all {
		o.all[i].finish(StateAborted, ErrLost)
	}
	if o.open > 0 {
		o.free(o.open) // no grants were made
	}
	o.announce()
}

// batch is one record of an offer that was sent, with the read end of its pipe.
type batch struct {
	grants []*Grant
	seq    uint64
	pipe   *fd.FD
}

// send sends the grants in one record with a fresh receipt pipe. The kernel
// takes its references within sendmsg; our write end of the pipe is closed
// right after it, so that the worker's is the only one.
func (o *offer) send(grants []*Grant) (batch, error) {
	c := o.conn
	read, write, err := o.openPipe()
	if err != nil {
		return batch{}, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	now := c.cfg.Clock.Now()
	c.mu.Lock()
	for _, g := range grants {
		g.sentAt = now
	}
	c.mu.Unlock()

	fault.Point("P3")
	seq, err := c.transmit(outgoing{op: "offer", kind: typeOffer, grants: grants, pipe: write, limit: c.cfg.SendTimeout})
	closeEnd(write)
	if err != nil {
		closeEnd(read)
		o.pipeClosed()
		return batch{}, err
	}
	fault.Point("P4")
	c.mu.Lock()
	defer c.mu.Unlock()
	o.pipes[1] = 0
	for _, g := range grants {
		g.step(StateSent)
		g.seq = seq
		g.attempts++
	}
	return batch{grants: grants, seq: seq, pipe: read}, nil
}
