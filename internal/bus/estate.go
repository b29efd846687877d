package bus

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/pkg/sysvctl"
)

// Estate is what a Bus leaves to one in another program that this process
// executes: the queues themselves stay in the IPC namespace. It can be encoded
// as JSON.
type Estate struct {
	Lanes []LaneEstate
	Bells []BellEstate
	Ready []uint32 // workers whose lanes are open
}

// LaneEstate is one lane by what makes it the same one.
type LaneEstate struct {
	Name             string
	Sender, Receiver uint32
	GID              uint32
	ID               int32
	Bytes, Wanted    int
	Ready            []uint32 // senders that are
	Held             bool
	Step             Step // against a flood
}

// BellEstate is one bell with the numbers of its descriptors.
type BellEstate struct {
	Worker     uint32
	Hear, Ring int
}

// Export describes the Bus. The numbers stay the Bus's. Nobody may use the Bus
// until its successor is made, or is known not to be.
func (b *Bus) Export() (Estate, error) {
	var e Estate
	for _, r := range b.rows {
		r.mu.Lock()
		e.Lanes = append(e.Lanes, LaneEstate{Name: b.laneName(r), Sender: r.sender, Receiver: r.receiver, GID: r.gid,
			ID: r.id(), Bytes: r.bytes, Wanted: r.wanted, Ready: slices.Sorted(maps.Keys(r.ready)), Held: r.held, Step: r.gauge.step})
		r.mu.Unlock()
	}
	for id, p := range b.bells.pipes {
		hear, hearErr := number(p.r)
		ring, ringErr := number(p.w)
		if err := errors.Join(hearErr, ringErr); err != nil {
			return e, fmt.Errorf("bus: bell of worker %d: %w", id, err)
		}
		e.Bells = append(e.Bells, BellEstate{Worker: id, Hear: hear, Ring: ring})
	}
	e.Ready = b.ready.all()
	return e, nil
}

func number(f *os.File) (n int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	return n, conn.Control(func(fd uintptr) { n = int(fd) })
}

// Look makes a Bus of what another one has, to ask for Rights and nothing else.
// Every lane that cfg asks for must be among those left, with our own hand on its
// queue. cfg must be the one that the other Bus has.
func Look(cfg Config, e Estate) (*Bus, error) {
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	b := &Bus{cfg: cfg, taps: map[tapKey]*row{}, ready: &readySet{workers: map[uint32]bool{}}}
	b.plan()
	if len(b.rows) != len(e.Lanes) {
		return nil, fmt.Errorf("bus: the configuration has %d lanes, %d were left", len(b.rows), len(e.Lanes))
	}
	left := map[string]LaneEstate{}
	for _, l := range e.Lanes {
		left[l.Name] = l
	}
	me := uint32(os.Geteuid())
	for _, r := range b.rows {
		l, found := left[b.laneName(r)]
		if !found || l.Sender != r.sender || l.Receiver != r.receiver || l.GID != r.gid {
			return nil, fmt.Errorf("bus: nobody left the %v (%+v)", r, l)
		}
		q, err := sysvctl.FromID(sysvctl.ID(l.ID), sysvctl.Wanted{CUID: me, UID: me})
		if err != nil {
			return nil, fmt.Errorf("bus: %v: %w", r, err)
		}
		r.q, r.bytes, r.wanted, r.held = q, l.Bytes, l.Wanted, l.Held
		for _, id := range l.Ready {
			r.ready[id] = true
		}
		r.gauge.step = l.Step
	}
	return b, nil
}

// Adopt makes a Bus of what another one left, bells included. Nothing is changed
// by it, and on an error nothing was taken over.
func Adopt(cfg Config, e Estate) (*Bus, error) {
	b, err := Look(cfg, e)
	if err != nil {
		return nil, err
	}
	if err := b.adoptBells(e.Bells); err != nil {
		return nil, err
	}
	for _, id := range e.Ready {
		b.ready.set(id, true)
	}
	b.tap, err = b.newTap()
	return b, err
}

// adoptBells looks at all of them before it takes any.
func (b *Bus) adoptBells(left []BellEstate) error {
	names := b.receivers()
	for _, bell := range left {
		for _, n := range []int{bell.Hear, bell.Ring} {
			var st unix.Stat_t
			if err := unix.Fstat(n, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
				return fmt.Errorf("bus: bell of worker %d: descriptor %d is no pipe (%v)", bell.Worker, n, err)
			}
		}
		if _, wanted := names[bell.Worker]; !wanted {
			return fmt.Errorf("bus: nobody wants the bell of worker %d", bell.Worker)
		}
	}
	if len(left) != len(names) {
		return fmt.Errorf("bus: %d bells were left, %d are of use", len(left), len(names))
	}
	b.bells = &bells{pipes: map[uint32]*pipe{}, names: names}
	for _, bell := range left {
		unix.CloseOnExec(bell.Hear)
		unix.CloseOnExec(bell.Ring)
		b.bells.pipes[bell.Worker] = &pipe{os.NewFile(uintptr(bell.Hear), "bell"), os.NewFile(uintptr(bell.Ring), "bell")}
	}
	return nil
}
