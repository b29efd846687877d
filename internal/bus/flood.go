package bus

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sallyport/pkg/sysvctl"
)

// Flood is one step that Watch took, or, with Stalled, a lane that it found full
// behind a receiver that takes nothing. Limit is the size of the lane in bytes
// after the step; Worker is the sender's name, Receiver the receiver's.
type Flood struct {
	Step             Step
	Worker, Receiver string
	ID               uint32 // of the sender
	Lane             string
	Bytes, Limit     uint64
	Mark             Mark
}

// throttledPart is what is left of the size of a throttled lane.
const throttledPart = 4

// readySet are the workers whose lanes are open.
type readySet struct {
	mu      sync.Mutex
	workers map[uint32]bool
}

func (s *readySet) set(id uint32, ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers[id] = ready
}

func (s *readySet) has(id uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return id == Supervisor || s.workers[id]
}

// all are the ready ones, in the order of their numbers.
func (s *readySet) all() (ids []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, ready := range s.workers {
		if ready {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// WatchEvery is how often Watch must be called: eight times in the shortest time
// of a mark, at most once a second. 0 means that no lane has a mark.
func (b *Bus) WatchEvery() time.Duration {
	every := time.Duration(0)
	for _, r := range b.rows {
		if m := r.gauge.mark; m.Percent > 0 && (every == 0 || m.For/8 < every) {
			every = m.For / 8
		}
	}
	return min(every, time.Second)
}

// Watch looks at every lane once and goes a step against those that have been
// over their mark for their time. One that is throttled has a quarter of its
// size; one that is revoked is closed for twice the time of its mark, then open
// and still throttled. A worker whose lane is said to be Quarantined must be
// ended by the caller; the lane stays closed until Forgive. A lane that was
// below its mark for twice its time is itself again.
//
// Nothing else is touched: a worker's other lanes stay open while one of its
// lanes is flooded, and lanes of others know nothing of it.
func (b *Bus) Watch(now time.Time) ([]Flood, error) {
	var steps []Flood
	var errs []error
	for _, r := range b.rows {
		if r.gauge.mark.Percent == 0 {
			continue
		}
		f, due, err := b.watch(r, now)
		if due {
			steps = append(steps, f)
		}
		if err != nil && !errors.Is(err, sysvctl.ErrRemoved) {
			errs = append(errs, fmt.Errorf("bus: watch %v: %w", r, err))
		}
	}
	return steps, errors.Join(errs...)
}

func (b *Bus) watch(r *row, now time.Time) (Flood, bool, error) {
	up := b.ready.has(r.receiver)
	r.mu.Lock()
	defer r.mu.Unlock()
	st, err := r.q.Stat()
	if err != nil {
		return Flood{}, false, err
	}
	f := Flood{Worker: b.nameOf(r.sender), Receiver: b.nameOf(r.receiver), ID: r.sender, Lane: b.laneName(r),
		Bytes: st.Bytes, Limit: st.QBytes, Mark: r.gauge.mark}
	due := false
	if f.Step, due = r.gauge.look(now, sampleOf(r, st, up)); !due {
		return f, false, nil
	}
	switch f.Step {
	case Calm:
		err = r.q.Resume(uint64(r.bytes))
		f.Limit = uint64(r.bytes)
	case Throttled:
		f.Limit = max(uint64(r.bytes)/throttledPart, minLane)
		_, err = r.q.Throttle(f.Limit)
	case Revoked, Quarantined:
		err = b.shut(r)
	case Probation:
		err = r.open()
	}
	return f, true, err
}

// Forgive forgets that the lanes of a worker were flooded: somebody has looked.
// A lane that is closed for it opens when the worker is ready.
func (b *Bus) Forgive(id uint32) error {
	var errs []error
	for _, r := range b.rows {
		if !b.sends(r, id) || r.gauge.mark.Percent == 0 {
			continue
		}
		r.mu.Lock()
		if r.gauge.step != Calm {
			if err := r.forgive(); err != nil {
				errs = append(errs, fmt.Errorf("bus: forgive %v: %w", r, err))
			}
		}
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

// forgive gives the lane its size and its sender's right back; r.mu is held.
func (r *row) forgive() error {
	r.gauge.forgive()
	return errors.Join(r.q.Resume(uint64(r.bytes)), r.open())
}
