package bus

import (
	"context"
	"errors"
	"fmt"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

// ErrNoLane is that of a name which no lane has.
var ErrNoLane = errors.New("no such lane")

// Lane is a lane as an operator sees it. Stat is what the kernel says; Size is
// the configured size in bytes, which Stat.QBytes is not while the lane is
// paused or throttled. Ready says that its sender is; Held that an operator
// closed it; Flood what was done against its flooding.
type Lane struct {
	Name, Queue, Kind string
	From, To          string // workers by name; "@tap" is the supervisor's own subscription
	Size              int
	Ready, Held       bool
	Flood             Step
	Stat              sysvctl.Stat
}

// Left is a message that an operator took out of a lane. Text says what it was.
type Left struct {
	Type  sysvctl.Type
	Bytes int
	Text  string
}

// laneName is how people call a lane: QUEUE/KIND/FROM/TO.
func (b *Bus) laneName(r *row) string {
	return fmt.Sprintf("%s/%s/%s/%s", r.queue, r.kind, b.nameOf(r.sender), b.nameOf(r.receiver))
}

func (b *Bus) nameOf(id uint32) string {
	switch id {
	case Supervisor:
		return tapName
	case lane.Anyone:
		return "*"
	}
	return b.name(id)
}

// Lanes returns every lane in the order of the table.
func (b *Bus) Lanes() ([]Lane, error) {
	all := make([]Lane, 0, len(b.rows))
	for _, r := range b.rows {
		l, err := b.lane(r)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// Lane returns one by its name.
func (b *Bus) Lane(name string) (Lane, error) {
	r, err := b.row(name)
	if err != nil {
		return Lane{}, err
	}
	return b.lane(r)
}

func (b *Bus) lane(r *row) (Lane, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st, err := r.q.Stat()
	if err != nil {
		return Lane{}, fmt.Errorf("bus: look at %v: %w", r, err)
	}
	return Lane{Name: b.laneName(r), Queue: r.queue, Kind: r.kind.String(), From: b.nameOf(r.sender), To: b.nameOf(r.receiver),
		Size: r.bytes, Ready: len(r.ready) > 0, Held: r.held, Flood: r.gauge.step, Stat: st}, nil
}

func (b *Bus) row(name string) (*row, error) {
	for _, r := range b.rows {
		if b.laneName(r) == name {
			return r, nil
		}
	}
	return nil, fmt.Errorf("bus: lane %.80q: %w", name, ErrNoLane)
}

// Pause makes every send on a lane wait, or find it full, until Resume.
func (b *Bus) Pause(name string) error {
	return b.change(name, func(r *row) error { _, err := r.q.Pause(); return err })
}

// Resume gives a lane its configured size, and forgets that it was flooded.
func (b *Bus) Resume(name string) error {
	return b.change(name, (*row).forgive)
}

// Throttle lowers the size of a lane to bytes, 1 or more, until Resume.
func (b *Bus) Throttle(name string, bytes uint64) error {
	return b.change(name, func(r *row) error { _, err := r.q.Throttle(bytes); return err })
}

// Hold closes a lane to its sender until Release, over all its restarts. Its
// receiver may still empty it.
func (b *Bus) Hold(name string) error {
	return b.change(name, func(r *row) error {
		r.held = true
		return b.shut(r)
	})
}

// Release ends a Hold, and forgets that the lane was flooded. The lane of a
// sender that is not ready opens when it is.
func (b *Bus) Release(name string) error {
	return b.change(name, func(r *row) error {
		r.held = false
		return r.forgive()
	})
}

func (b *Bus) change(name string, do func(*row) error) error {
	r, err := b.row(name)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := do(r); err != nil {
		return fmt.Errorf("bus: %v: %w", r, err)
	}
	return nil
}

// Empty takes away what was queued in a lane when it was called, oldest first,
// and gives each to take. Its receiver finds a gap in the numbers and reports
// the frames lost. It ends early with ctx.
func (b *Bus) Empty(ctx context.Context, name string, take func(Left)) error {
	r, err := b.row(name)
	if err != nil {
		return err
	}
	st, err := r.q.Stat()
	if err != nil {
		return fmt.Errorf("bus: empty %v: %w", r, err)
	}
	buf := make([]byte, reading.AlertSize)
	for range st.Messages { // and no more: a sender may be faster than we are
		if ctx.Err() != nil {
			return fmt.Errorf("bus: empty %v: %w", r, context.Cause(ctx))
		}
		m, err := r.q.TryReceive(sysvctl.Any().Cut(), buf)
		if errors.Is(err, sysvctl.ErrNoMessage) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("bus: empty %v: %w", r, err)
		}
		take(Left{Type: m.Type, Bytes: len(m.Data), Text: describe(m.Data)})
	}
	return nil
}

func describe(data []byte) string {
	f, err := reading.Decode(data)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%v sensor %d epoch %d seq %d value %v", f.Kind, f.Sensor, f.Epoch, f.Seq, f.Value)
}
