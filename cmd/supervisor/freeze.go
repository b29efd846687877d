package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"sallyport/internal/monitor"
)

// freezeTime is how long everything may take to come to a stand: a worker that is
// being started or stopped is waited for.
const freezeTime = 10 * time.Second

// frozen is a supervisor in which nothing moves.
type frozen struct {
	halt    *halt
	since   instant
	outputs []*output
}

// freeze brings everything to a stand, in the order in which one thing can make
// another move: clients, the feed, the look at the lanes, the tap, the workers
// with their channels and notices, the outputs. What comes meanwhile waits in the kernel. On an error
// everything goes on.
func (s *supervisor) freeze(ctx context.Context, order upgradeOrder) (*frozen, error) {
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	workers := s.now().workers
	h := &halt{ctx: ctx, resume: make(chan struct{}), stands: make(chan struct{}, len(workers)+3)}
	f := &frozen{halt: h, since: monotonic()}
	if err := s.server.Pause(ctx, order.request); err != nil {
		s.thaw(f)
		return nil, err
	}
	asked := 0
	select {
	case s.haltFeed <- h:
		asked++
	case <-s.fed:
	}
	for _, loop := range []chan *halt{s.haltWatch, s.haltTap} {
		select {
		case loop <- h:
			asked++
		case <-ctx.Done(): // met again below
		}
	}
	for _, w := range workers {
		w.pass(note{halt: h})
		asked++
	}
	for range asked {
		select {
		case <-h.stands:
		case <-ctx.Done():
			err := fmt.Errorf("not everything came to a stand within %v: %s", freezeTime, s.moving())
			s.thaw(f)
			return nil, err
		}
	}
	f.outputs = s.logs.halt()
	return f, nil
}

// moving names the workers that are neither ready nor down.
func (s *supervisor) moving() string {
	var names []string
	for _, w := range s.now().workers {
		if st := w.status(); st.state.Running() && st.state != monitor.Ready {
			names = append(names, st.Worker+" is "+st.State)
		}
	}
	if names == nil {
		return "no worker is being started or stopped"
	}
	return strings.Join(names, ", ")
}

// thaw makes everything go on.
func (s *supervisor) thaw(f *frozen) {
	s.logs.goOn(f.outputs)
	close(f.halt.resume)
	for _, w := range s.now().workers {
		w.pass(note{nudge: true}) // one that did not come to a stand learns that it need not
	}
	s.server.Resume()
}

// outline is the part of an estate that is known without a halt.
func (s *supervisor) outline() (*estate, error) {
	st := s.now()
	e := &estate{Version: estateVersion, From: version, Config: st.cfg.Source}
	var err error
	if e.Lanes, err = st.bus.Export(); err != nil {
		return nil, err
	}
	return e, nil
}

// export writes down a frozen supervisor.
func (s *supervisor) export(f *frozen, order upgradeOrder) (*estate, error) {
	e, err := s.outline()
	if err != nil {
		return nil, err
	}
	st := s.now()
	e.Complete, e.Frozen, e.Started = true, f.since, instantOf(s.started)
	e.Switched, e.Absent, e.Tally = s.switched, st.inputs.absent, s.tally.estate()
	e.Recent, e.Logged = s.hub.Recent()
	e.Missing, e.Landlock = s.missing, s.landlock
	if s.cgroups != nil {
		groups := s.cgroups.Estate()
		e.Cgroups = &groups
	}
	for _, one := range st.sensors {
		e.Sensors = append(e.Sensors, sensorEstate{one.name, one.unit, one.decode, one.attribute, one.worker, one.alerted.Load(), one.gone})
	}
	if e.Control, err = s.server.Descriptor(); err != nil {
		return nil, err
	}
	if e.Asker, err = order.request.Descriptor(); err != nil {
		e.Asker = -1 // nobody waits for an answer
	}
	err = errors.Join(s.exportInputs(e, st.inputs), exportOutputs(e, f.outputs))
	for _, w := range st.workers {
		if err != nil {
			return nil, err
		}
		var left workerEstate
		left, err = w.estate()
		e.Workers = append(e.Workers, left)
	}
	e.keepAll()
	return e, err
}

func (s *supervisor) exportInputs(e *estate, in *inputs) error {
	for _, conf := range in.cfg.Devices {
		d := in.device(conf.Name)
		if d == nil {
			continue
		}
		left, err := d.Export()
		if err != nil {
			return err
		}
		e.Devices = append(e.Devices, left)
	}
	for name, f := range in.listeners.files {
		n, err := numberOf(f)
		if err != nil {
			return fmt.Errorf("listener %q: %w", name, err)
		}
		at := in.listeners.at[name]
		e.Listeners = append(e.Listeners, listenerEstate{FD: n, At: at, Made: in.listeners.isMade(at)})
	}
	return nil
}

func exportOutputs(e *estate, all []*output) error {
	for _, o := range all {
		n, err := numberOf(o.pipe)
		if err != nil {
			return fmt.Errorf("output of worker %q: %w", o.name, err)
		}
		o.leftOut()
		e.Outputs = append(e.Outputs, outputEstate{Worker: o.name, Epoch: o.epoch, FD: n, Rest: o.rest, Cut: o.cut})
	}
	return nil
}

// numberOf is for files that stay open while the number is used.
func numberOf(f *os.File) (n int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	n = -1
	return n, conn.Control(func(fd uintptr) { n = int(fd) })
}

// keepAll lists every descriptor that the estate speaks of.
func (e *estate) keepAll() {
	add := func(numbers ...int) {
		for _, n := range numbers {
			if n >= 0 {
				e.Keep = append(e.Keep, n)
			}
		}
	}
	add(e.Control, e.Asker)
	for _, b := range e.Lanes.Bells {
		add(b.Hear, b.Ring)
	}
	for _, d := range e.Devices {
		add(d.Sim)
		for _, o := range d.Opened {
			add(o.FD)
		}
	}
	for _, l := range e.Listeners {
		add(l.FD)
	}
	for _, w := range e.Workers {
		if x := w.Session; x != nil {
			add(x.Files...)
			add(x.Process.PidFD, x.Process.Listener, x.Process.Notify, x.Notify)
		}
	}
	for _, o := range e.Outputs {
		add(o.FD)
	}
}
