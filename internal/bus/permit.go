package bus

import (
	"errors"
	"fmt"

	"sallyport/internal/fault"
	"sallyport/pkg/sysvctl"
)

// Permit opens every lane that a worker sends on, its ack lanes included, for
// the worker's group. A lane that an operator closed stays closed.
func (b *Bus) Permit(id uint32) error {
	fault.Point("P9")
	b.ready.set(id, true)
	for _, r := range b.rows {
		if !b.sends(r, id) {
			continue
		}
		if err := r.permit(id); err != nil {
			return errors.Join(fmt.Errorf("bus: permit %v: %w", r, err), b.Revoke(id))
		}
	}
	fault.Point("P10")
	return nil
}

// Revoke closes every lane that a worker sends on. Senders that wait in a call
// are woken with an error. When it returns without one, no message of the
// worker can enter any more; what is queued can still be received. The lanes of a
// shared queue close with the last of their senders. It tries all
// lanes, whatever happens, and is harmless when repeated.
func (b *Bus) Revoke(id uint32) error {
	fault.Point("P11")
	b.ready.set(id, false)
	var errs []error
	for _, r := range b.rows {
		if r.q == nil || !b.sends(r, id) {
			continue
		}
		r.mu.Lock()
		delete(r.ready, id)
		if len(r.ready) == 0 { // of a shared lane the last one shuts the door
			errs = append(errs, b.shut(r))
		}
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

// permit notes that the sender is ready and opens the lane unless it is kept closed.
func (r *row) permit(id uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready[id] = true
	return r.open()
}

// open lets the sender in if it is ready and nobody closed the lane to it; r.mu
// is held.
func (r *row) open() error {
	if len(r.ready) == 0 || r.held || r.gauge.step == Revoked || r.gauge.step == Quarantined {
		return nil
	}
	return r.q.Permit(r.gid, r.mode())
}

// shut takes the right to send on a lane away; r.mu is held.
func (b *Bus) shut(r *row) error {
	err := r.q.Revoke(sysvctl.Senders)
	switch {
	case errors.Is(err, sysvctl.ErrRemoved):
		return nil // nothing enters a lane that is gone
	case errors.Is(err, sysvctl.ErrLimit):
		// The right is gone; those asleep are refused when they wake.
		b.cfg.Log("no room to wake the senders of a revoked lane", "lane", r.String(), "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("bus: revoke %v: %w", r, err)
	}
	return nil
}

// Depth is how full a lane is. Kind is urgent, routine, ack or tap; sizes are
// in bytes; Mode is the permission bits of the moment.
type Depth struct {
	Queue, Kind     string
	From, To        uint32
	ID              int32
	Messages, Bytes uint64
	Limit           uint64
	Mode            uint32
}

// Depth returns the lanes that a worker sends on or receives from.
func (b *Bus) Depth(id uint32) ([]Depth, error) {
	var all []Depth
	for _, r := range b.rows {
		if !b.sends(r, id) && !b.receives(r, id) {
			continue
		}
		st, err := r.q.Stat()
		if err != nil {
			return nil, fmt.Errorf("bus: depth of %v: %w", r, err)
		}
		all = append(all, Depth{
			Queue: r.queue, Kind: r.kind.String(), From: r.sender, To: r.receiver, ID: r.id(),
			Messages: st.Messages, Bytes: st.Bytes, Limit: st.QBytes, Mode: st.Mode,
		})
	}
	return all, nil
}
