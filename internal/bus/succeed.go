package bus

import (
	"errors"
	"fmt"
	"slices"

	"sallyport/internal/lane"
	"sallyport/pkg/sysvctl"
)

// laneKey is what makes a lane the same one in another configuration: its name,
// whose ends they are, and its size and rules as
// configured.
type laneKey struct {
	name                  string
	sender, receiver, gid uint32
	bytes                 int
	full                  lane.Rule
	mark                  Mark
	key                   sysvctl.Key
}

func (b *Bus) key(r *row) laneKey {
	return laneKey{b.laneName(r), r.sender, r.receiver, r.gid, r.wanted, r.full, r.gauge.mark, r.key}
}

// Succeed makes the Bus of another configuration beside this one. Lanes and
// bells that both have are the same objects, with what is queued in them and
// who may use them; the others are made, closed. Neither Bus is closed by it:
// the one that is not wanted any more gives up what it has alone (Leave), the
// other is closed at the end. On an error this Bus is as it was.
func (b *Bus) Succeed(cfg Config) (*Bus, error) {
	if cfg.Log == nil {
		cfg.Log = b.cfg.Log
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	next := &Bus{cfg: cfg, taps: map[tapKey]*row{}, before: map[laneKey]*row{}, ready: b.ready}
	for _, r := range b.rows {
		next.before[b.key(r)] = r
	}
	next.plan()
	next.before = nil
	if err := next.fitLimits(); err != nil {
		return nil, err
	}
	next.bells = &bells{pipes: map[uint32]*pipe{}, names: next.receivers()}
	if err := next.make(b.bells); err != nil {
		return nil, errors.Join(err, next.Leave(b))
	}
	return next, nil
}

// make creates what the table has and nobody made yet.
func (b *Bus) make(known *bells) error {
	for _, r := range b.rows {
		if r.q != nil {
			continue
		}
		if err := b.create(r); err != nil {
			return err
		}
	}
	for id, name := range b.bells.names {
		if p := known.pipes[id]; p != nil && known.names[id] == name {
			b.bells.pipes[id] = p
			continue
		}
		one, err := newBells(map[uint32]string{id: name})
		if err != nil {
			return err
		}
		b.bells.pipes[id] = one.pipes[id]
	}
	var err error
	b.tap, err = b.newTap()
	return err
}

// Leave removes the lanes and bells that to does not have; what is left in the
// lanes goes to the log. The Bus is of no more use then.
func (b *Bus) Leave(to *Bus) error {
	b.closed.Store(true)
	var errs []error
	for _, r := range b.rows {
		if r.q == nil || slices.Contains(to.rows, r) {
			continue
		}
		if r.kind != ack {
			errs = append(errs, b.dump(r))
		}
		if err := r.q.Remove(); err != nil && !errors.Is(err, sysvctl.ErrRemoved) {
			errs = append(errs, fmt.Errorf("bus: remove %v: %w", r, err))
		}
	}
	for id, p := range b.bells.pipes {
		if p != to.bells.pipes[id] {
			errs = append(errs, p.r.Close(), p.w.Close())
		}
	}
	return errors.Join(errs...)
}

// Waiting counts the messages in lanes that to does not have, but for
// acknowledgements: what Leave would throw away.
func (b *Bus) Waiting(to *Bus) (uint64, error) {
	var n uint64
	for _, r := range b.rows {
		if r.kind == ack || r.kind == tap || slices.Contains(to.rows, r) {
			continue
		}
		st, err := r.q.Stat()
		if err != nil {
			return 0, fmt.Errorf("bus: look at %v: %w", r, err)
		}
		n += st.Messages
	}
	return n, nil
}
