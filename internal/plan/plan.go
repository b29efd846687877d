package plan

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"sallyport/internal/config"
)

// Do is what happens to one worker.
type Do string

// The four things that a reload can do to a worker.
const (
	Keep    Do = "keep"    // its process does not notice
	Restart Do = "restart" // it ends, and runs anew with the new settings
	Start   Do = "start"   // it was not there, or not enabled
	Stop    Do = "stop"    // it is not there any more, or not enabled
)

// Step is one worker's part. Why names the settings that changed; Live those
// that apply to a worker that is kept, without a restart.
type Step struct {
	Worker string   `json:"worker"`
	Do     Do       `json:"do"`
	Why    []string `json:"why"`
	Live   []string `json:"live"`
}

// Plan is what a reload does. Refused names settings of the supervisor itself
// that cannot change while it runs; then nothing is to be done.
type Plan struct {
	Steps   []Step
	Refused []string
}

// Make compares. It gives the workers of next the numbers that they have in now
// (see Number), because a worker's number is part of its lanes and of its user.
func Make(now, next *config.Config) Plan {
	p := Plan{Refused: refused(now, next)}
	Number(now, next)
	for i := range next.Workers {
		w := &next.Workers[i]
		old := find(now, w.Name)
		if old == nil {
			p.Steps = append(p.Steps, step(w.Name, Start))
			continue
		}
		s := step(w.Name, Keep)
		s.Why = differences(fixed, side{now, old}, side{next, w})
		if len(s.Why) > 0 {
			s.Do = Restart
		}
		s.Live = differences(live, side{now, old}, side{next, w})
		p.Steps = append(p.Steps, s)
	}
	for _, w := range now.Workers {
		if find(next, w.Name) == nil {
			p.Steps = append(p.Steps, step(w.Name, Stop))
		}
	}
	return p
}

func step(worker string, do Do) Step {
	return Step{Worker: worker, Do: do, Why: []string{}, Live: []string{}}
}

// Changes says whether anything but settings that apply by themselves differs.
func (p Plan) Changes() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Do != Keep || len(s.Live) > 0 })
}

// Of gives the workers to which something is done, in the order of the plan.
func (p Plan) Of(do Do) []Step {
	var list []Step
	for _, s := range p.Steps {
		if s.Do == do {
			list = append(list, s)
		}
	}
	return list
}

// String is the plan on one line.
func (p Plan) String() string {
	parts := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		parts[i] = s.String()
	}
	return strings.Join(parts, " | ")
}

// String is `restart sampler (devices, settings changed)`.
func (s Step) String() string {
	text := fmt.Sprintf("%s %s", s.Do, s.Worker)
	switch {
	case len(s.Why) > 0:
		text += " (" + strings.Join(s.Why, ", ") + " changed)"
	case len(s.Live) > 0:
		text += " (" + strings.Join(s.Live, ", ") + " applied)"
	}
	return text
}

// refused are the settings of the supervisor that differ.
func refused(now, next *config.Config) []string {
	var list []string
	a, b := now.Supervisor, next.Supervisor
	for _, f := range []struct {
		name string
		same bool
	}{
		{"name", a.Name == b.Name},
		{"ids", a.FirstID == b.FirstID && a.LastID == b.LastID},
		{"control", a.Control == b.Control},
		{"ipc_namespace", a.HostIPC == b.HostIPC},
		{"waive", slices.Equal(slices.Sorted(slices.Values(a.Waive)), slices.Sorted(slices.Values(b.Waive)))},
	} {
		if !f.same {
			list = append(list, f.name)
		}
	}
	return list
}

func find(c *config.Config, name string) *config.Worker {
	i := slices.IndexFunc(c.Workers, func(w config.Worker) bool { return w.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Workers[i]
}

// Number gives every worker of next the number it has in now. Others get the
// lowest that neither has, and only where the pool of ids ends before, one that
// now alone has: by the time it is used again its process is gone.
func Number(now, next *config.Config) {
	held := map[string]uint32{}
	before := map[uint32]bool{}
	for _, w := range slices.Concat(now.Workers, now.Disabled) {
		held[w.Name], before[w.ID] = w.ID, true
	}
	taken := map[uint32]bool{}
	each(next, func(w *config.Worker) { taken[held[w.Name]] = true })
	pool := next.Supervisor.LastID - next.Supervisor.FirstID + 1
	fresh := func(w *config.Worker) uint32 {
		for _, avoid := range []map[uint32]bool{before, nil} {
			for id := uint32(1); id <= pool; id++ {
				if !taken[id] && !avoid[id] {
					return id
				}
			}
		}
		return w.ID // not reached: `check` holds the pool against the workers
	}
	each(next, func(w *config.Worker) {
		id, known := held[w.Name]
		if !known {
			id = fresh(w)
			taken[id] = true
		}
		w.ID = id
	})
}

// each calls do for every worker, in the order of the file.
func each(c *config.Config, do func(*config.Worker)) {
	var all []*config.Worker
	for i := range c.Workers {
		all = append(all, &c.Workers[i])
	}
	for i := range c.Disabled {
		all = append(all, &c.Disabled[i])
	}
	slices.SortStableFunc(all, func(a, b *config.Worker) int { return cmp.Compare(a.ID, b.ID) })
	for _, w := range all {
		do(w)
	}
}

// side is a worker within its configuration.
type side struct {
	*config.Config
	w *config.Worker
}

// differences names the aspects in which two sides are not the same.
func differences(aspects []aspect, a, b side) []string {
	list := []string{}
	for _, one := range aspects {
		if !reflect.DeepEqual(one.of(a), one.of(b)) {
			list = append(list, one.name)
		}
	}
	return list
}
