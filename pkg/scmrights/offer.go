package scmrights

import (
	"errors"
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
//
// An Item with Held is one that Held.Item made: there is no File in it, and no
// copy is made for the offer.
type Item struct {
	Name   string // 1 to MaxName bytes of UTF-8, unique within the offer
	Kind   Kind
	Mode   Mode
	Access Access
	File   *os.File
	Held   *Held
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
	unread    unread  // the receipt that nobody waits for yet

	// All of the following is guarded by conn.mu.
	open   int           // slots it has reserved at the worker: grants that have not ended
	parted int           // grants that the caller has closed
	turn   chan struct{} // closed when some grants have ended; made anew while others have not
	pipes  [2]int        // numbers of the receipt pipe's ends, plus one; 0 when not open here
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
	o.leave(b)
	return grants, nil
}

func (c *Conn) checkItems(items []Item) error {
	if len(items) == 0 || len(items) > MaxSlots {
		return fmt.Errorf("%d descriptors, an offer has 1 to %d", len(items), MaxSlots)
	}
	var names nameSet
	for i := range items {
		it := &items[i]
		if err := it.check(c); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
		switch {
		case !names.add(items, i):
			return fmt.Errorf("%q is in the offer twice", it.Name)
		case (it.Mode == ModeExclusive) != (items[0].Mode == ModeExclusive):
			return fmt.Errorf("%s: mode %s beside mode %s: an offer is exclusive as a whole or not at all", it.Name, it.Mode, items[0].Mode)
		case it.Mode == ModeExclusive && c.cfg.PidFD == nil:
			return fmt.Errorf("%s: mode %s: %w without Config.PidFD", it.Name, it.Mode, ErrUnsupported)
		}
	}
	return nil
}

// check is what can be said of an item by itself, when it is offered on c.
func (it *Item) check(c *Conn) error {
	if h := it.Held; h != nil {
		if !h.is(it) {
			return fmt.Errorf("%q is not what Held.Item made of %q", it.Name, h.slot.name)
		}
		if err := h.lookAgain(c); err != nil {
			return fmt.Errorf("%s: %w", it.Name, err)
		}
		return nil
	}
	if err := checkName(it.Name); err != nil {
		return err
	}
	switch {
	case it.Name == "":
		return errors.New("it has no name")
	case it.File == nil:
		return fmt.Errorf("%s: no file", it.Name)
	case !it.Kind.known():
		return fmt.Errorf("%s: unknown %s", it.Name, it.Kind)
	case it.Mode > ModeLend || it.Access > AccessBoth:
		return fmt.Errorf("%s: %s, %s: %w", it.Name, it.Mode, it.Access, ErrUnsupported)
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

// holdAll makes the grants, and a copy of every item that is not held. With an
// error it has kept none.
func (o *offer) holdAll(items []Item) error {
	c := o.conn
	if err := c.tokens.draw(o); err != nil {
		return err
	}
	o.all = make([]Grant, len(items))
	var copies []ownCopy
	for i := range items {
		it, g := &items[i], &o.all[i]
		g.conn, g.offer, g.index, g.number, g.state = c, o, uint8(i), -1, StateHeld
		if it.Held != nil {
			g.held, g.slot, g.copy, g.borrows = it.Held, &it.Held.slot, &it.Held.fd, true
			continue
		}
		if copies == nil {
			copies = make([]ownCopy, len(items))[:0]
		}
		copies = copies[:len(copies)+1]
		own := &copies[len(copies)-1]
		own.slot = slot{token: o.token(i), kind: it.Kind, mode: it.Mode, access: it.Access, name: it.Name}
		g.slot, g.copy = &own.slot, &own.fd
		if err := own.make(it.File); err != nil {
			for j := range copies {
				_ = copies[j].fd.Close() // not booked yet
			}
			o.all = nil
			return fmt.Errorf("%s: %w", it.Name, err)
		}
	}
	c.ledger.book(len(copies), len(items)-len(copies))
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
	s := &sent{at: c.cfg.Clock.Now()}
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
	s.seq = seq
	for _, g := range grants {
		g.step(StateSent)
		g.sent = s
		g.attempts++
	}
	return batch{grants: grants, seq: seq, pipe: read}, nil
}
