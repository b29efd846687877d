package scmrights

import (
	"context"
	"errors"
)

// OfferAll is Offer for any number of items: it sends as many at a time as an
// offer, and the worker's credit, can hold, and waits for the receipts of each
// part before the next. Names have to be unique within each part. With an error
// the grants of the parts that were sent are returned beside it.
func (c *Conn) OfferAll(ctx context.Context, p Proof, items []Item) ([]*Grant, error) {
	var all []*Grant
	for len(items) > 0 {
		part := items[:min(len(items), c.room())]
		grants, err := c.Offer(p, part)
		if err != nil {
			return all, err
		}
		all = append(all, grants...)
		items = items[len(part):]
		for _, g := range grants {
			if err := g.Wait(ctx); err != nil && (errors.Is(err, ctx.Err()) || !c.alive()) {
				return all, err
			}
		}
	}
	return all, nil
}

// room is how many descriptors the next offer may have, at least one.
func (c *Conn) room() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.credit < 0 {
		return MaxSlots
	}
	return max(1, min(MaxSlots, c.credit-c.slots))
}
