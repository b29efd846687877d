package kill

import (
	"errors"
	"fmt"
	"os"

	"sallyport/pkg/scmrights"
	"sallyport/tests/kill/wire"
)

// allGone: the parent is dead, so nothing of this history may be open any more
// in any place: not in its worker, which has seen the channel end, and not in a
// queue. A real worker exits then; this one lives on, so that its table can be
// looked at.
func (l *lane) allGone(workerDied bool) error {
	if !workerDied {
		if err := audit("worker", l.worker, 0, nil); err != nil {
			return err
		}
	}
	for _, o := range l.objects {
		if err := o.gone(l.patience); err != nil {
			return err
		}
		o.drop()
	}
	clear(l.objects)
	clear(l.kept)
	return nil
}

// judge compares what the parent says of every grant with who has it by the
// kernel's account.
func (l *lane) judge(r Round, answer wire.Answer, got []wire.Got, workerDied bool) error {
	if len(answer.Fates) != len(l.history.Items) {
		return finding(Lost, "%d items, and %d of them have a fate", len(l.history.Items), len(answer.Fates))
	}
	clear(l.kept)
	table, err := extras(l.parent.pid)
	if err != nil {
		return fmt.Errorf("table of the parent: %w", err)
	}
	var parentHolds, workerHolds []*object
	numbers := map[string]int32{}
	for _, f := range answer.Fates {
		o := l.objects[f.Name]
		if o == nil {
			return finding(Lost, "a fate of %q, which nobody offered", f.Name)
		}
		has := l.has(f)
		if !workerDied && !has {
			return finding(Lost, "%v: %s (%s), and the worker lives", o, f.State, f.Err)
		}
		row := l.modeOf(f.Name)
		reached := r.Worker.reached(f.Batch)
		if workerDied && r.decides(l.history) && (has && !reached || reached && !has && !row.alone) {
			return finding(Lost, "%v: %s by its parent; the worker died at %v", o, f.State, r.Worker)
		}
		if has {
			workerHolds = append(workerHolds, o)
			numbers[f.Name] = f.Number
		}
		if l.keeps(f, table) {
			parentHolds = append(parentHolds, o)
			l.kept[f.Name] = true
		}
	}
	if err := audit("parent", l.parent, 1, parentHolds); err != nil {
		return err
	}
	if workerDied {
		return l.closedEverywhereElse()
	}
	for _, g := range got {
		o := l.objects[g.Name]
		if o == nil || o.dev != g.Dev || o.ino != g.Ino || int32(g.Number) != numbers[g.Name] {
			return finding(Lost, "the worker has %+v, offered was %v, receipted number %d", g, o, numbers[g.Name])
		}
	}
	l.held, l.taken = parentHolds, workerHolds
	return audit("worker", l.worker, 1, workerHolds)
}

// closedEverywhereElse: what only the dead worker had is open nowhere.
func (l *lane) closedEverywhereElse() error {
	for name, o := range l.objects {
		if l.kept[name] {
			continue
		}
		if err := o.gone(l.patience); err != nil {
			return err
		}
	}
	return nil
}

// finish ends a history: the parent closes everything, the worker sees the end
// of the channel, and neither may hold anything.
func (l *lane) finish() error {
	if err := l.parent.order(wire.Order{Do: wire.DoEnd}); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	_, died, err := l.outcome(l.parent, wire.SayEnded)
	if err == nil && died {
		err = errors.New("died without a plan")
	}
	if err != nil {
		return fmt.Errorf("parent at its end: %w", err)
	}
	if _, died, err = l.workerOutcome(true); err == nil && died {
		err = l.count(l.last)
	}
	if err != nil {
		return fmt.Errorf("worker at its end: %w", err)
	}
	if err := audit("parent", l.parent, 0, nil); err != nil {
		return err
	}
	return l.allGone(died)
}

// keeps says whether the parent has a copy of what had this fate.
func (l *lane) keeps(f wire.Fate, table []entry) bool {
	switch row := l.modeOf(f.Name); {
	case l.has(f):
		return row.held
	case row.alone && f.State != wire.Unsent:
		return l.objects[f.Name].in(table) >= 0
	}
	return true
}

// has says whether the worker's plugin has it, by its parent's account.
func (l *lane) has(f wire.Fate) bool {
	if l.modeOf(f.Name).alone {
		return f.State == scmrights.StateCommitted.String()
	}
	return f.State == scmrights.StateDelivered.String()
}

func (l *lane) modeOf(name string) (row struct{ held, alone, lent bool }) {
	var i int
	if _, err := fmt.Sscanf(name, "d%d", &i); err == nil {
		m := modes[l.history.Items[i].Mode]
		row.held, row.alone, row.lent = m.held, m.alone, m.mode == scmrights.ModeLend
	}
	return row
}

// own counts the harness's descriptors.
func own() (int, error) {
	names, err := os.ReadDir("/proc/self/fd")
	return len(names), err
}
