package kill

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/tests/kill/wire"
)

// injectedLimit is how long a wait of the parent may take in a hand-over with an
// injected error: an EAGAIN where there was something to read is never followed
// by a wake-up, so that only deadlines end it.
const injectedLimit = 300 * time.Millisecond

// Inject plays one hand-over in which a system call fails, and a second one,
// undisturbed, in which everything must arrive. It returns how many calls
// failed; 0 says that the history had no such call. dir is for its files.
func Inject(program, dir string, h History, in Injection) (hits int, err error) {
	if err := prepare(); err != nil {
		return 0, err
	}
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		return 0, err
	}
	defer stderr.Close()
	l := &lane{patience: stuckAfter, killed: map[string]int{}, history: h, objects: map[string]*object{}, kept: map[string]bool{},
		spawn: func() (*actor, error) { return start([]string{program}, stderr) }}
	defer func() {
		l.parent.discard()
		l.worker.discard()
		for _, o := range l.objects {
			if err == nil {
				err = o.gone(l.patience)
			}
			o.drop()
		}
		if err != nil {
			err = fmt.Errorf("%v, %v: %w", h, in, err)
		}
	}()
	if err := l.rest(); err != nil {
		return 0, err
	}
	if err := errors.Join(l.ping(l.parent), l.ping(l.worker)); err != nil {
		return 0, err
	}
	target := l.parent
	if in.Worker {
		target = l.worker
	}
	t, err := attach(target, in, filepath.Join(dir, "strace"))
	if err != nil {
		return 0, err
	}
	d := disturbance{lane: l, target: target, tracer: t, stderr: stderr.Name(), errno: in.Errno}
	err = d.play()
	d.look()
	if err = errors.Join(err, d.err); err != nil || d.hits == 0 {
		return d.hits, err
	}
	if err := l.afterwards(); err != nil {
		return d.hits, err
	}
	if died, err := l.round(Round{}); err != nil || died {
		return d.hits, fmt.Errorf("the second hand-over: died: %v: %w", died, err)
	}
	return d.hits, l.finish()
}

// ping makes sure that an actor has come as far as its first order.
func (l *lane) ping(a *actor) error {
	if err := a.order(wire.Order{Do: wire.DoPart}); err != nil {
		return err
	}
	_, _, err := l.outcome(a, wire.SayParted)
	return err
}

// disturbance is the first hand-over, with the tracer of one of its processes.
type disturbance struct {
	*lane
	target *actor
	tracer *tracer // nil once it was looked at
	stderr string
	errno  string
	hits   int
	err    error
}

// play hands over, and notes in l.kept what the parent has after it. Errors of
// calls are expected; what must be right is who has what.
func (d *disturbance) play() error {
	d.lenient, d.limit = true, injectedLimit
	defer func() { d.lenient, d.limit = false, 0 }()
	if err := d.hand(Round{}); err != nil {
		return err
	}
	fates, died, err := d.until(d.parent, wire.SayFate)
	if err == nil && !died {
		if err = d.parent.order(wire.Order{Do: wire.DoPart}); err == nil {
			_, died, err = d.until(d.parent, wire.SayParted)
		}
	}
	if err != nil {
		return fmt.Errorf("parent: %w", err)
	}
	if d.target == d.parent {
		// If it was the close of the channel that was not made, nothing but
		// the parent's death ends the channel.
		if d.look(); d.err != nil {
			return d.err
		}
		if len(d.parent.forgotten) != 0 && !died {
			if err := d.auditParent(fates.Fates); err != nil {
				return err
			}
			d.parent.kill()
			died = true
		}
	}
	over, workerDied, err := d.until(d.worker, wire.SayOver)
	if err != nil && d.deaf(err) {
		d.worker.kill()
		workerDied, err = true, nil
	}
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	if err := d.compare(fates.Fates, over, workerDied); err != nil {
		return err
	}
	if died {
		clear(d.kept)
	}
	return nil
}

// deaf says that the worker is stuck because its call failed with EAGAIN a
// second time, in another thread, after the end of the channel had woken it. A
// kernel says EPIPE then, and no wake-up follows a lie.
func (d *disturbance) deaf(err error) bool {
	var f *Finding
	if !errors.As(err, &f) || f.Sort != Stuck || d.target != d.worker || d.errno != "EAGAIN" {
		return false
	}
	d.look()
	return d.err == nil && d.hits > 1
}

// look ends the tracing, and reads what it did.
func (d *disturbance) look() {
	if d.tracer == nil {
		return
	}
	d.tracer.detach()
	d.hits, d.target.forgotten, d.err = d.tracer.injected()
	d.tracer = nil
}

func (d *disturbance) auditParent(fates []wire.Fate) error {
	table, err := extras(d.parent.pid)
	if err != nil {
		return err
	}
	var holds []*object
	for _, f := range fates {
		if d.keeps(f, table) {
			holds = append(holds, d.objects[f.Name])
		}
	}
	return audit("parent", d.parent, 0, holds)
}

// until passes over other answers.
func (l *disturbance) until(a *actor, say string) (wire.Answer, bool, error) {
	for {
		answer, died, err := l.outcome(a, say)
		var other *unexpected
		if errors.As(err, &other) && other.answer.Say != wire.SayOver {
			continue
		}
		if errors.Is(err, errEnded) {
			// The runtime ends the process when it cannot wake its poller.
			text, _ := os.ReadFile(l.stderr)
			if bytes.Contains(text, []byte("netpollBreak write failed")) {
				return answer, true, nil
			}
			err = fmt.Errorf("%w: %s", err, text)
		}
		return answer, died, err
	}
}

// compare holds what the parent knows to what the worker had.
func (l *lane) compare(fates []wire.Fate, over wire.Answer, workerDied bool) error {
	has := map[string]bool{}
	for _, g := range over.Got {
		o := l.objects[g.Name]
		if o == nil || o.dev != g.Dev || o.ino != g.Ino || has[g.Name] {
			return finding(Lost, "the worker had %+v, offered was %v", g, o)
		}
		has[g.Name] = true
	}
	var table []entry
	if !l.parent.dead() {
		var err error
		if table, err = extras(l.parent.pid); err != nil {
			return err
		}
	}
	for _, f := range fates {
		switch {
		case workerDied: // it cannot say what it had
		case l.modeOf(f.Name).alone && l.has(f) && over.Failed != "":
			// COMMIT was sent, and the worker gave up before it read it: for
			// its parent this is a worker that died right after it had.
		case l.has(f) && !has[f.Name]:
			return finding(Lost, "%s is %s by its parent, and the worker never had it", f.Name, f.State)
		case !l.has(f) && f.State != "expired" && has[f.Name]:
			return finding(Leaked, "%s is %s by its parent (%s), and the worker had it", f.Name, f.State, f.Err)
		}
		l.kept[f.Name] = l.keeps(f, table)
	}
	return nil
}

// afterwards looks at the tables when both processes have closed the channel.
func (l *lane) afterwards() error {
	var holds []*object
	for name, o := range l.objects {
		if l.kept[name] && !l.parent.dead() {
			holds = append(holds, o)
		}
	}
	if !l.parent.dead() {
		if err := audit("parent", l.parent, 0, holds); err != nil {
			return err
		}
	} else {
		clear(l.kept)
	}
	if !l.worker.dead() {
		if err := audit("worker", l.worker, 0, nil); err != nil {
			return err
		}
	}
	if !l.worker.dead() && len(l.worker.forgotten) != 0 {
		l.worker.kill()
	}
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

// HasStrace says in words why injections cannot be made here.
func HasStrace(program, dir string) error {
	_, err := Inject(program, dir, History{Items: []Item{{0, 0, 0}}}, Injection{Call: "pipe2", Errno: "EINTR", When: 1 << 15})
	if err != nil && strings.Contains(err.Error(), "strace") {
		return err
	}
	return nil
}
