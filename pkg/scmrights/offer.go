package scmrights

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/fd"
)

// Item is a descriptor to be offered. File is borrowed for the call: the Conn
// makes a copy of its own, and the caller may close File as soon as Offer is
// back, and should in ModeMove. For kinds whose reads never wait (attribute,
// file, directory, memfd) O_NONBLOCK is cleared on the open file description.
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
	conn  *Conn
	proof Proof
	open  int // slots it has reserved at the worker: grants that have not ended; guarded by conn.mu
}

// Offer sends descriptors to the worker, at most MaxSlots, in one record. When
// it returns without an error they are on their way, and each Grant tells the
// end of one; with an error nothing was sent and nothing is held. It waits for
// the worker's channel at most Config.SendTimeout and never for the receipt.
func (c *Conn) Offer(p Proof, items []Item) ([]*Grant, error) {
	if err := checkItems(items); err != nil {
		return nil, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	if err := accept(p, c.cfg.Proof); err != nil {
		return nil, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	o := &offer{conn: c, proof: p}
	if err := o.reserve(len(items)); err != nil {
		return nil, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	grants, err := o.holdAll(items)
	if err != nil {
		o.giveUp(grants)
		return nil, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	fault.Point("P2")
	b, err := o.send(grants)
	if err != nil {
		o.giveUp(grants)
		return nil, err
	}
	go o.run(b)
	return grants, nil
}

func checkItems(items []Item) error {
	if len(items) == 0 || len(items) > MaxSlots {
		return fmt.Errorf("%d descriptors, an offer has 1 to %d", len(items), MaxSlots)
	}
	names := make(map[string]bool, len(items))
	for i, it := range items {
		if err := checkName(it.Name); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
		switch _, known := kindNames[it.Kind]; {
		case it.Name == "":
			return fmt.Errorf("item %d has no name", i)
		case names[it.Name]:
			return fmt.Errorf("%q is in the offer twice", it.Name)
		case it.File == nil:
			return fmt.Errorf("%s: no file", it.Name)
		case !known:
			return fmt.Errorf("%s: unknown %s", it.Name, it.Kind)
		case it.Mode == ModeExclusive || it.Mode == ModeLend:
			return fmt.Errorf("%s: mode %s: %w, use share or move", it.Name, it.Mode, ErrUnsupported)
		case it.Mode > ModeLend || it.Access > AccessBoth:
			return fmt.Errorf("%s: %s, %s: %w", it.Name, it.Mode, it.Access, ErrUnsupported)
		}
		names[it.Name] = true
	}
	return nil
}

// reserve takes a place in the window and slots of the worker's credit, and
// joins the goroutine of the offer to those that Close waits for.
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
	o.open = slots
	c.offers++
	c.slots += slots
	c.wg.Add(1)
	return nil
}

// free returns reserved slots, and with the last one the place in the window;
// conn.mu is held.
func (o *offer) free(slots int) {
	o.open -= slots
	o.conn.slots -= slots
	if o.open == 0 {
		o.conn.offers--
	}
}

// holdAll copies every item into the ledger. With an error it returns the
// grants that it had made by then.
func (o *offer) holdAll(items []Item) ([]*Grant, error) {
	c := o.conn
	grants := make([]*Grant, 0, len(items))
	for _, it := range items {
		g := &Grant{
			conn: c, offer: o, done: make(chan struct{}), number: -1,
			slot: slot{kind: it.Kind, mode: it.Mode, access: it.Access, name: it.Name},
		}
		// Not crypto/rand: it links 32 MiB of zeros into every worker.
		if _, err := unix.Getrandom(g.slot.token[:], 0); err != nil {
			return grants, os.NewSyscallError("getrandom", err)
		}
		if err := c.ledger.hold(g, it.File); err != nil {
			return grants, fmt.Errorf("%s: %w", it.Name, err)
		}
		g.state = StateHeld
		grants = append(grants, g)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range grants {
		c.grants[g.slot.token] = g
	}
	return grants, nil
}

// giveUp ends an offer whose grants never left.
func (o *offer) giveUp(grants []*Grant) {
	c := o.conn
	defer c.wg.Done()
	for _, g := range grants {
		c.mu.Lock()
		delete(c.grants, g.slot.token)
		g.finish(StateAborted, ErrLost)
		c.mu.Unlock()
		_ = c.ledger.drop(g)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.open > 0 {
		o.free(o.open) // of items that no grant was made of
	}
}

// batch is one record of an offer that was sent, with the read end of its pipe.
type batch struct {
	grants []*Grant
	seq    uint64
	pipe   *os.File
}

// send sends the grants in one record with a fresh receipt pipe. The kernel
// takes its references within sendmsg; our write end of the pipe is closed
// right after it, so that the worker's is the only one.
func (o *offer) send(grants []*Grant) (batch, error) {
	c := o.conn
	copies, held := c.ledger.lookup(grants)
	if !held {
		return batch{}, &Error{Op: "offer", Peer: c.peer, Err: ErrClosed}
	}
	read, write, err := receiptPipe()
	if err != nil {
		return batch{}, &Error{Op: "offer", Peer: c.peer, Err: err}
	}
	defer func() { _ = write.Close() }()
	c.ledger.pipe(+1)
	slots := make([]slot, len(grants))
	now := c.cfg.Clock.Now()
	c.mu.Lock()
	for i, g := range grants {
		slots[i] = g.slot
		g.sentAt = now
	}
	c.mu.Unlock()

	fault.Point("P3")
	seq, err := c.transmit(outgoing{op: "offer", kind: typeOffer, slots: slots, rights: append(copies, write), limit: c.cfg.SendTimeout})
	if err != nil {
		_ = read.Close()
		c.ledger.pipe(-1)
		return batch{}, err
	}
	fault.Point("P4")
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range grants {
		g.step(StateSent)
		g.seq = seq
		g.attempts++
	}
	return batch{grants: grants, seq: seq, pipe: read}, nil
}

// receiptPipe makes a pipe of which only the read end is non-blocking: the
// worker's end is for programs in any language.
func receiptPipe() (read *os.File, write *fd.FD, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	r, w := fd.Own(p[0]), fd.Own(p[1])
	if err := unix.SetNonblock(p[0], true); err != nil {
		_ = fd.CloseAll([]*fd.FD{r, w})
		return nil, nil, os.NewSyscallError("fcntl(F_SETFL)", err)
	}
	return r.File("receipt"), w, nil
}

// readReceipt reads the pipe to its end and closes it.
func (o *offer) readReceipt(b batch) ([]verdict, error) {
	c := o.conn
	defer c.ledger.pipe(-1)
	defer func() { _ = b.pipe.Close() }()
	defer expireAfter(c.cfg.Clock, c.cfg.ReceiptTimeout, b.pipe.SetReadDeadline)()
	defer expireWith(c.ctx, b.pipe.SetReadDeadline)()
	got, err := io.ReadAll(io.LimitReader(b.pipe, maxReceipt+1))
	switch {
	case err == nil && len(got) <= maxReceipt:
		return decodeReceipt(got, c.currentEpoch(), b.seq, len(b.grants))
	case err == nil:
		return nil, faultf("more than %d bytes of receipt", maxReceipt)
	case c.ctx.Err() != nil:
		return nil, ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ErrExpired
	}
	// A receipt may be in the pipe: that it was not read proves no loss.
	return nil, fmt.Errorf("%w: %w", ErrExpired, err)
}

func (c *Conn) currentEpoch() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}
