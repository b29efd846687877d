package kill

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"sallyport/pkg/scmrights"
	"sallyport/tests/kill/wire"
)

// lane runs one history after the other, with a parent and a worker that it
// keeps until they die.
type lane struct {
	spawn          func() (*actor, error)
	parent, worker *actor
	epoch          uint32
	sabotage       string
	patience       time.Duration
	lenient        bool           // errors of calls are expected
	limit          time.Duration  // for every wait of the parent; 0 is plenty
	killed         map[string]int // deaths by failpoint
	resent         int            // descriptors that came more than once
	revoked        int

	// Of the history that runs now:
	history History
	objects map[string]*object // the open files by name, as they have to be kept or handed on
	kept    map[string]bool    // names that the parent has from the round before
	held    []*object          // what the parent had at the end of the last round that nobody died in
	taken   []*object          // and what the worker had
	last    Kill               // that of its worker, if BYE too can bring it there
}

// run plays one history to its end. After an error the processes are thrown
// away, so that the next history begins with a clean table.
func (l *lane) run(h History) error {
	l.history, l.objects, l.kept = h, map[string]*object{}, map[string]bool{}
	err := l.play()
	for _, o := range l.objects {
		o.drop()
	}
	if err != nil {
		l.parent.discard()
		l.worker.discard()
		l.parent, l.worker = nil, nil
		return fmt.Errorf("%v: %w", h, err)
	}
	return nil
}

func (a *actor) discard() {
	if a != nil {
		a.kill()
	}
}

func (l *lane) play() error {
	for i, r := range append(l.history.Rounds[:len(l.history.Rounds):len(l.history.Rounds)], Round{}) {
		died, err := l.round(r)
		if err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		if !died {
			break // everything is delivered: the last round, or a plan whose point was not reached
		}
	}
	return l.finish()
}

// round is one hand-over. Afterwards either everything was delivered, or
// somebody is dead; what the parent has kept is in l.kept.
func (l *lane) round(r Round) (died bool, err error) {
	if err := l.rest(); err != nil {
		return false, err
	}
	l.last = Kill{}
	if r.Worker.Point == "W3" {
		l.last = r.Worker
	}
	if err := l.hand(r); err != nil {
		return false, err
	}
	fates, parentDied, err := l.outcome(l.parent, wire.SayFate)
	if err != nil {
		return false, fmt.Errorf("parent: %w", err)
	}
	for _, f := range fates.Fates {
		if f.Attempts > 1 {
			l.resent++
		}
	}
	got, workerDied, err := l.workerOutcome(parentDied)
	if err != nil {
		return false, err
	}
	if r.Worker.outside() && !workerDied && !r.Recall {
		if workerDied, err = l.diesLate(l.worker, r.Worker, nil); err != nil {
			return false, err
		}
	}
	if !parentDied {
		if parentDied, err = l.diesLate(l.parent, r.Parent, fates.Fates); err != nil {
			return false, err
		}
		if parentDied && !workerDied {
			if _, workerDied, err = l.workerOutcome(true); err != nil {
				return false, err
			}
		}
	}
	if workerDied {
		err = l.count(r.Worker)
	}
	if parentDied {
		err = errors.Join(err, l.count(r.Parent))
	}
	switch {
	case err != nil:
		return false, err
	case parentDied:
		return true, l.allGone(workerDied)
	}
	err = l.judge(r, fates, got, workerDied)
	if err != nil || workerDied || !r.Recall {
		return workerDied, err
	}
	return l.recall(r)
}

// rest brings the lane into the state in which a round begins: processes that
// live, a channel that has ended, and nothing open but what the parent keeps.
func (l *lane) rest() error {
	var err error
	if l.parent.dead() {
		if l.parent, err = l.spawn(); err != nil {
			return err
		}
	}
	if l.worker.dead() {
		if l.worker, err = l.spawn(); err != nil {
			return err
		}
	}
	return nil
}

// hand makes the channel and what the parent has not, gives both processes
// their orders, and closes the harness's own copies.
func (l *lane) hand(r Round) error {
	channel, workerEnd, err := scmrights.Pair()
	if err != nil {
		return err
	}
	defer channel.Close()
	defer workerEnd.Close()
	l.epoch++
	offer := wire.Order{Do: wire.DoOffer, Plan: l.plan(r.Parent), PID: os.Getpid(), Worker: l.worker.pid, Epoch: l.epoch, Limit: int(l.limit.Milliseconds())}
	for i, it := range l.history.Items {
		name := fmt.Sprintf("d%d", i)
		row := sorts[it.Sort]
		item := wire.Item{Name: name, Kind: uint8(row.kind), Mode: uint8(modes[it.Mode].mode), Access: uint8(row.access), FD: -1, Batch: it.Batch}
		if !l.kept[name] {
			if old := l.objects[name]; old != nil {
				old.drop()
			}
			o, err := newObject(name, it.Sort)
			if err != nil {
				return err
			}
			l.objects[name], item.FD = o, o.fd
		}
		offer.Items = append(offer.Items, item)
	}
	take := wire.Order{Do: wire.DoTake, Plan: l.plan(r.Worker), PID: os.Getpid(), Want: len(offer.Items), Limit: 3 * offer.Limit, Narrow: r.Narrow}
	if take.Channel, err = number(workerEnd); err == nil {
		offer.Channel, err = number(channel)
	}
	if err != nil {
		return err
	}
	if err := l.command(l.worker, take); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	_ = workerEnd.Close() // before the parent sends: the worker's end is the worker's alone
	if err := l.command(l.parent, offer); err != nil {
		return fmt.Errorf("parent: %w", err)
	}
	for _, o := range l.objects {
		o.release()
	}
	for a, k := range map[*actor]Kill{l.parent: r.Parent, l.worker: r.Worker} {
		if k.outside() && !(r.Recall && a == l.worker) {
			a.killAfter(time.Duration(k.Nth) * time.Microsecond)
		}
	}
	return nil
}

func (l *lane) plan(k Kill) string { return k.plan() + "," + l.sabotage }

// number is a descriptor's number without a change of its flags.
func number(f syscall.Conn) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	err = raw.Control(func(fd uintptr) { n = int(fd) })
	return n, err
}

// command gives an order and waits until its descriptors were taken.
func (l *lane) command(a *actor, o wire.Order) error {
	if err := a.order(o); err != nil {
		return err
	}
	_, died, err := l.outcome(a, wire.SayTaken)
	if other := (*unexpected)(nil); l.lenient && errors.As(err, &other) {
		a.early = &other.answer // it could not even begin
		return nil
	}
	if err == nil && died {
		return errors.New("died before it had taken its order's descriptors")
	}
	return err
}

// outcome waits for this answer of a process, or for its death.
func (l *lane) outcome(a *actor, say string) (answer wire.Answer, died bool, err error) {
	answer, err = a.await(l.patience)
	switch {
	case errors.Is(err, errDead):
		return answer, true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answer, false, finding(Stuck, "no %q after %v", say, l.patience)
	case err != nil:
		return answer, false, err
	case answer.Trouble != "" || answer.Failed != "" && !l.lenient:
		return answer, false, finding(Lost, "%s%s in %q", answer.Trouble, answer.Failed, answer.Say)
	case answer.Say != say:
		return answer, false, &unexpected{answer, say}
	}
	return answer, false, nil
}

type unexpected struct {
	answer wire.Answer
	want   string
}

func (u *unexpected) Error() string { return fmt.Sprintf("%+v instead of %q", u.answer, u.want) }

// workerOutcome waits until the worker has everything, or is dead, or, when its
// parent is dead, sees the end of the channel.
func (l *lane) workerOutcome(orphan bool) (got []wire.Got, died bool, err error) {
	for {
		answer, died, err := l.outcome(l.worker, wire.SayGot)
		var other *unexpected
		switch {
		case err == nil && !died && orphan:
			continue // it had everything, and now sees the end
		case errors.As(err, &other) && orphan && other.answer.Say == wire.SayOver:
			return other.answer.Got, false, nil
		case err != nil:
			return nil, false, fmt.Errorf("worker: %w", err)
		}
		return answer.Got, died, nil
	}
}

// diesLate waits for a death that comes after the answer: from outside, or at
// the points that follow the end of a grant.
func (l *lane) diesLate(a *actor, k Kill, fates []wire.Fate) (bool, error) {
	late := k.Point == "P5" || k.Point == "P6" || k.Point == "P7"
	if !k.outside() && (!late || hits(k.Point, fates) < k.Nth) {
		return false, nil
	}
	_, err := a.await(l.patience)
	switch {
	case errors.Is(err, errDead):
		return true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, finding(Stuck, "not dead at %v after %v", k, l.patience)
	}
	return false, err
}

// count notes a death; one that nobody planned is an error.
func (l *lane) count(k Kill) error {
	if k.Point == "" {
		return errors.New("a process was killed, and not by the plan")
	}
	l.killed[k.Point]++
	return nil
}
