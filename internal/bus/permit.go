package bus

import (
	"errors"
	"fmt"

	"sallyport/internal/fault"
	"sallyport/pkg/sysvctl"
)

// Permit opens every lane that a worker sends on, its ack lanes included, for
// the worker's group.
func (b *Bus) Permit(id uint32) error {
	fault.Point("P9")
	for _, r := range b.rows {
		if r.sender != id {
			continue
		}
		if err := r.q.Permit(r.gid, modeOpen); err != nil {
			return errors.Join(fmt.Errorf("bus: permit %v: %w", r, err), b.Revoke(id))
		}
	}
	fault.Point("P10")
	return nil
}

// Revoke closes every lane that a worker sends on. Senders that wait in a call
// are woken with an error. When it returns without one, no message of the
// worker can enter any more; what is queued can still be received. It tries all
// lanes, whatever happens, and is harmless when repeated.
func (b *Bus) Revoke(id uint32) error {
	fault.Point("P11")
	var errs []error
	for _, r := range b.rows {
		if r.sender != id || r.q == nil {
			continue
		}
		err := r.q.Revoke(sysvctl.Senders)
		if errors.Is(err, sysvctl.ErrRemoved) {
			err = nil // nothing enters a lane that is gone
		}
		if errors.Is(err, sysvctl.ErrLimit) {
			// The right is gone; those asleep are refused when they wake.
			b.cfg.Log("no room to wake the senders of a revoked lane", "lane", r.String(), "error", err)
			err = nil
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("bus: revoke %v: %w", r, err))
		}
	}
	return errors.Join(errs...)
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
		if r.sender != id && r.receiver != id {
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
