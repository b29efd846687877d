package main

import (
	"slices"
	"sync/atomic"

	"sallyport/internal/bus"
	"sallyport/internal/config"
	"sallyport/internal/install"
	"sallyport/pkg/scmrights"
)

// setup is what one configuration made: a reload makes another beside it, which
// shares what did not change, and puts that in its place. Nothing in a setup
// changes once it is in force, but what its parts guard themselves.
type setup struct {
	cfg      *config.Config
	inputs   *inputs
	bus      *bus.Bus
	sensors  []sensor // by id - 1
	workers  []*worker
	programs install.Dir
	replaced chan struct{} // closed when another is in force
}

// now is the setup in force. Before there is one it is empty.
func (s *supervisor) now() *setup { return s.current.Load() }

// worker finds one of the workers by its name.
func (st *setup) worker(name string) *worker {
	i := slices.IndexFunc(st.workers, func(w *worker) bool { return w.cfg.Name == name })
	if i < 0 {
		return nil
	}
	return st.workers[i]
}

// numberSensors gives every sensor of a device that was opened its id: its
// place in the list plus one. A device belongs to the first worker that has it.
// A sensor keeps the id that it has in known, and an id is never used for
// another: workers that go on running have been told what it means.
func numberSensors(cfg *config.Config, in *inputs, known []sensor) []sensor {
	list := slices.Clone(known)
	for i := range list {
		list[i].gone = true
	}
	for _, w := range cfg.Workers {
		for _, name := range w.Devices {
			d := in.device(name)
			if d == nil {
				continue
			}
			for _, o := range d.Opened() {
				for _, s := range o.Sensors {
					one := sensor{name: s.Name, unit: s.Unit, decode: s.Decode, attribute: o.Kind == scmrights.KindAttribute, worker: w.ID}
					if i := slices.IndexFunc(list, one.same); i >= 0 {
						list[i].gone = false
						continue
					}
					one.alerted = new(atomic.Uint64)
					list = append(list, one)
				}
			}
		}
	}
	return list
}

// same says whether two sensors mean the same to a worker.
func (s sensor) same(other sensor) bool {
	return s.name == other.name && s.unit == other.unit && s.decode == other.decode && s.attribute == other.attribute && s.worker == other.worker
}
