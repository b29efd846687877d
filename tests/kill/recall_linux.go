package kill

import (
	"errors"
	"slices"
	"time"

	"sallyport/pkg/scmrights"
	"sallyport/tests/kill/wire"
)

// recall takes back what was lent, after a round in which nobody died. A worker
// dies in it at W3, before it has closed anything, or like its parent from outside
// at any moment. The parent's copies stay whatever happens.
func (l *lane) recall(r Round) (died bool, err error) {
	if err := l.parent.order(wire.Order{Do: wire.DoRecall}); err != nil {
		return false, err
	}
	for a, k := range map[*actor]Kill{l.parent: r.Late, l.worker: r.Worker} {
		if k.outside() {
			a.killAfter(time.Duration(k.Nth) * time.Microsecond)
		}
	}
	answer, parentDied, err := l.outcome(l.parent, wire.SayRecalled)
	if err != nil {
		return false, err
	}
	if !parentDied && r.Late.outside() {
		if parentDied, err = l.diesLate(l.parent, r.Late, nil); err != nil {
			return false, err
		}
	}
	workerDied, err := l.workerAfterRecall(r, parentDied, answer.Fates)
	if parentDied {
		err = errors.Join(err, l.count(r.Late))
	}
	if workerDied {
		err = errors.Join(err, l.count(r.Worker))
	}
	switch {
	case err != nil:
		return false, err
	case parentDied:
		return true, l.allGone(workerDied)
	}
	if err := audit("parent", l.parent, 1, l.held); err != nil {
		return workerDied, err
	}
	if workerDied {
		return true, l.closedEverywhereElse()
	}
	for _, f := range answer.Fates {
		if l.lent(f.Name) && f.State != scmrights.StateRevoked.String() {
			return false, finding(Leaked, "%s is %s (%s) after its recall, and the worker lives", f.Name, f.State, f.Err)
		}
		l.revoked++
	}
	kept := slices.DeleteFunc(slices.Clone(l.taken), func(o *object) bool { return l.lent(o.name) })
	return false, audit("worker", l.worker, 1, kept)
}

// workerAfterRecall says whether the worker is dead. One that is to die at W3
// either does at the REVOKE or has come past it.
func (l *lane) workerAfterRecall(r Round, orphan bool, fates []wire.Fate) (died bool, err error) {
	switch {
	case r.Worker.outside():
		if orphan { // it may see the end before its own
			_, died, err = l.workerOutcome(true)
		}
		if err == nil && !died {
			died, err = l.diesLate(l.worker, r.Worker, nil)
		}
	case orphan:
		_, died, err = l.workerOutcome(true)
	case slices.ContainsFunc(fates, func(f wire.Fate) bool { return f.Err != "" }):
		_, died, err = l.outcome(l.worker, wire.SayGot)
	}
	return died, err
}

func (l *lane) lent(name string) bool { return l.modeOf(name).lent }
