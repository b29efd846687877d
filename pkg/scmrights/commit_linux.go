package scmrights

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
)

// commit is what comes between the receipt for exclusive descriptors and their
// use. The worker's library has them and waits for COMMIT.
//
//  1. Each copy of the worker is fetched, compared with the ledger's, closed.
//  2. The ledger's copies are compared with every other descriptor of this
//     process: there must be no second one.
//  3. The ledger's copies are closed, and COMMIT is sent.
//
// What cannot be found out this way: a copy that a hostile worker made of its
// own (dup(2), or sent on), and one that another goroutine of this process makes
// between step 2 and step 3.
func (o *offer) commit(b batch, taken []*Grant, room *scratch) {
	c := o.conn
	start := c.cfg.Clock.Now()
	c.mu.Lock()
	for _, g := range taken {
		g.step(StateDelivered)
	}
	c.mu.Unlock()
	for _, check := range []func([]*Grant) error{o.checkTheirs, o.checkOurs} {
		if err := check(taken); err != nil {
			o.takeBack(b, taken, err)
			return
		}
	}
	left := c.cfg.CommitTimeout - c.cfg.Clock.Now().Sub(start)
	if left <= 0 {
		o.takeBack(b, taken, fmt.Errorf("%w: comparing took over %v", ErrExpired, c.cfg.CommitTimeout))
		return
	}
	c.ledger.dropMany(taken, room.numbers[:0])
	fault.Point("P6")
	if _, err := c.transmit(outgoing{op: "commit", kind: typeCommit, payload: encodeUint64(b.seq), limit: left}); err != nil {
		// Our copies are gone and the worker never uses its own: whoever
		// opened the descriptor has to do so again.
		why := fmt.Errorf("%w: COMMIT was not taken: %w", ErrLost, err)
		o.endAll(taken, StateLost, why)
		if errors.Is(err, ErrBlocked) {
			c.finish(&Error{Op: "commit", Peer: c.peer, Seq: b.seq, Err: fmt.Errorf("%w: the worker does not read", ErrProtocol)})
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range taken {
		g.finish(StateCommitted, nil)
		g.leave()
	}
	o.announce()
}

// takeBack tells the worker to close what it must not have alone, and ends the
// channel when it, or this process, has a copy that it should not have.
func (o *offer) takeBack(b batch, taken []*Grant, why error) {
	c := o.conn
	to := StateAborted
	switch {
	case errors.Is(why, ErrExpired):
		to = StateExpired
	case errors.Is(why, ErrLost):
		to = StateLost
	}
	c.abort(b.seq)
	o.endAll(taken, to, why)
	if isFault(why) {
		c.finish(&Error{Op: "commit", Peer: c.peer, Seq: b.seq, Err: why})
	}
}

// checkTheirs looks at the worker's copies. That one is gone is a lie: a
// library that waits for COMMIT has not closed it.
func (o *offer) checkTheirs(taken []*Grant) error {
	c := o.conn
	for _, g := range taken {
		if g.number < 0 {
			return fmt.Errorf("%s: mode %s: %w by a worker whose receipt has no numbers", g.slot.name, g.slot.mode, ErrUnsupported)
		}
		found, err := c.compare(g, g.number)
		c.mu.Lock()
		g.identity = found
		c.mu.Unlock()
		switch {
		case errors.Is(err, unix.ESRCH):
			return fmt.Errorf("%w: the worker has ended", ErrLost)
		case found == IdentityGone:
			return fmt.Errorf("%w: the worker has no descriptor %d, which it calls %s", ErrForged, g.number, g.slot.name)
		case found == IdentityOther:
			return fmt.Errorf("%w: descriptor %d of the worker is not %s", ErrForged, g.number, g.slot.name)
		case err != nil:
			return fmt.Errorf("%s cannot be compared: %w", g.slot.name, err)
		}
	}
	return nil
}

// checkOurs compares each copy with every other descriptor of this process.
func (o *offer) checkOurs(taken []*Grant) error {
	table, err := ownTable()
	if err != nil {
		return err
	}
	for _, g := range taken {
		err := g.copy.Borrow(func(ours int) error {
			for _, n := range table {
				if n == ours {
					continue
				}
				same, err := sameOpenFile(ours, n)
				switch {
				case errors.Is(err, unix.EBADF): // closed since the table was read
				case err != nil:
					return fmt.Errorf("%s cannot be compared: %w", g.slot.name, err)
				case same:
					return fmt.Errorf("%w: descriptor %d is %s too", ErrShared, n, g.slot.name)
				}
			}
			return nil
		})
		if errors.Is(err, os.ErrClosed) {
			return ErrClosed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ownTable lists the descriptor numbers of this process.
func ownTable() ([]int, error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	numbers := make([]int, 0, len(names))
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
