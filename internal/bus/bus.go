package bus

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"sallyport/internal/fault"
	"sallyport/internal/lane"
	"sallyport/pkg/sysvctl"
)

// Bus is all lanes of a configuration. Its methods may be called by several
// goroutines, but Permit and Revoke of one worker must not overlap. What an
// operator does with a single lane may overlap with everything.
type Bus struct {
	cfg    Config
	rows   []*row
	pairs  []*pair
	shares []*share
	taps   map[tapKey]*row
	bells  *bells
	tap    *lane.Receiver
	ready  *readySet // shared by those that succeed each other

	closed atomic.Bool
	before map[laneKey]*row // of the Bus that this one succeeds, while the table is made
}

type tapKey struct {
	queue  string
	sender uint32
}

// New sets kernel.msgmnb of the IPC namespace to twice the largest lane where
// that is more, and creates every lane closed and every bell. Where the limit
// cannot be written, lanes are made at most half of it, and the log says so. On
// an error nothing is left behind.
func New(cfg Config) (*Bus, error) {
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	b := &Bus{cfg: cfg, taps: map[tapKey]*row{}, ready: &readySet{workers: map[uint32]bool{}}}
	b.plan()
	if err := errors.Join(b.sweep(), b.fitLimits()); err != nil {
		return nil, err
	}
	for _, r := range b.rows {
		if err := b.create(r); err != nil {
			return nil, errors.Join(err, b.remove())
		}
	}
	fault.Point("P8")
	var err error
	if b.bells, err = newBells(b.receivers()); err != nil {
		return nil, errors.Join(err, b.remove())
	}
	if b.tap, err = b.newTap(); err != nil {
		return nil, errors.Join(err, b.bells.close(), b.remove())
	}
	return b, nil
}

// plan fills the table from the configuration.
func (b *Bus) plan() {
	gids := map[uint32]uint32{}
	for _, m := range b.cfg.Members {
		gids[m.ID] = m.GID
	}
	add := func(r *row) *row {
		r.gid, r.bytes, r.ready = gids[r.sender], r.wanted, map[uint32]bool{}
		if r.sender == lane.Anyone {
			r.gid = gids[r.receiver]
		}
		r.gauge.gentle = r.kind == tap
		made := b.before[b.key(r)]
		if made == nil {
			made = r
		}
		b.rows = append(b.rows, made)
		return made
	}
	for _, q := range b.cfg.Queues {
		if q.Shared {
			b.planShared(q, add)
		}
		for _, p := range pairs(q, b.cfg.Members) {
			if q.Shared {
				break
			}
			if p.hasUrgent {
				p.urgentQueue = add(&row{queue: q.Name, kind: urgent, sender: p.from, receiver: p.to, wanted: orDefault(q.UrgentBytes, defaultLane), gauge: gauge{mark: q.UrgentMark}})
				p.ackQueue = add(&row{queue: q.Name, kind: ack, sender: p.to, receiver: p.from, wanted: ackLane})
			}
			if p.hasRoutine {
				p.routineQueue = add(&row{queue: q.Name, kind: routine, sender: p.from, receiver: p.to, wanted: orDefault(q.RoutineBytes, defaultLane), full: q.Full, gauge: gauge{mark: q.RoutineMark}})
			}
			b.pairs = append(b.pairs, p)
		}
		for _, m := range b.cfg.Members {
			if m.Queue == q.Name && len(tapBands(q, m)) > 0 {
				b.taps[tapKey{q.Name, m.ID}] = add(&row{queue: q.Name, kind: tap, sender: m.ID, receiver: Supervisor, wanted: orDefault(b.cfg.TapBytes, defaultLane), gauge: gauge{mark: q.RoutineMark}})
			}
		}
	}
}

// fitLimits makes room for every lane, and above it for the kick of a revoke.
func (b *Bus) fitLimits() error {
	largest := 0
	for _, r := range b.rows {
		largest = max(largest, r.bytes)
	}
	l, err := sysvctl.ReadLimits()
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	if uint64(2*largest) <= l.QBytes {
		return nil
	}
	if b.cfg.Ledger == "" {
		if err = sysvctl.SetLimits(sysvctl.Limits{QBytes: uint64(2 * largest)}); err == nil {
			return nil
		}
	} else {
		err = errors.New("they are those of the machine, which others use too")
	}
	half := int(l.QBytes / 2)
	if half < minLane {
		return fmt.Errorf("bus: kernel.msgmnb is %d, lanes need at least %d: %w", l.QBytes, 2*minLane, err)
	}
	b.cfg.Log("lanes made smaller: the limit of message queues cannot be raised",
		"wanted", 2*largest, "msgmnb", l.QBytes, "lane", half, "error", err)
	for _, r := range b.rows {
		if r.q == nil { // others were made under the same limit
			r.bytes = min(r.bytes, half)
		}
	}
	return nil
}

// receivers are all workers that hear anybody, with their names.
func (b *Bus) receivers() map[uint32]string {
	all := map[uint32]string{Supervisor: tapName}
	for _, p := range b.pairs {
		all[p.to] = b.name(p.to)
	}
	for _, s := range b.shares {
		for _, m := range s.receivers {
			all[m.ID] = m.Name
		}
	}
	return all
}

func (b *Bus) name(id uint32) string {
	i := slices.IndexFunc(b.cfg.Members, func(m Member) bool { return m.ID == id })
	if i < 0 {
		return ""
	}
	return b.cfg.Members[i].Name
}

func (b *Bus) newTap() (*lane.Receiver, error) {
	var ins []lane.In
	for _, r := range b.rows {
		if r.kind == tap {
			ins = append(ins, lane.In{Queue: r.queue, From: r.sender, Urgent: lane.NoLane, Routine: r.id(), Ack: lane.NoLane})
		}
	}
	return lane.NewReceiver(lane.ReceiverConfig{
		Worker: Supervisor, Ins: ins, Bell: b.bells.own(Supervisor), Tap: true,
		Rejected: func(from uint32, reason error) {
			b.cfg.Log("frame thrown away", "worker", b.name(from), "reason", reason)
		},
	})
}

// Tap returns the supervisor's own subscription: every frame of every worker,
// 64 bytes each, as far as the tap lanes had room. It belongs to the Bus.
func (b *Bus) Tap() *lane.Receiver { return b.tap }
