package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/monitor"
	"sallyport/internal/plan"
)

// reloadItem is the last item of the answer to `reload`, after the steps.
type reloadItem struct {
	Applied bool    `json:"applied"`
	TookMS  float64 `json:"took_ms"`
}

// reload reads the configuration file again and makes it the one in force, with
// as few restarts as there can be. Everything new is opened, created and
// compiled before anything in force is touched: on an error nothing changed.
// With dry it stops there, too. Every step goes to emit before it is taken.
func (s *supervisor) reload(dry bool, emit func(any) error) error {
	if !s.reloads.TryLock() {
		return &control.Fault{Code: "SP0432", What: "a reload is under way", Fix: "wait for its end and try again"}
	}
	defer s.reloads.Unlock()
	if s.isStopping() {
		return &control.Fault{Code: "SP0432", What: "the supervisor is stopping"}
	}
	began := time.Now()
	s.tell(s.service.manager.Reloading())
	defer func() { s.tell(s.service.manager.Ready(s.statusLine())) }()
	old := s.now()
	next, steps, err := s.prepare(old)
	if err != nil {
		return reloadFault(s.options.file, err)
	}
	s.log.Info("reload", "plan", steps.String(), "dry_run", dry)
	for _, step := range steps.Steps {
		if err := emit(step); err != nil {
			s.log.Debug("nobody reads the plan any more", "why", err)
		}
	}
	if dry {
		if err := s.release(next, old); err != nil {
			return err
		}
		return emit(reloadItem{TookMS: milliseconds(time.Since(began))})
	}
	s.apply(old, next, steps)
	return emit(reloadItem{Applied: true, TookMS: milliseconds(time.Since(began))})
}

func (s *supervisor) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// reloadFault says why the configuration in force stays so.
func reloadFault(file string, err error) error {
	f := &control.Fault{Code: "SP0431", What: "the new configuration is refused; the old one is still in force", Where: file, Why: err.Error()}
	var problems config.Problems
	if errors.As(err, &problems) {
		f.Fix = fmt.Sprintf("mend it; `sallyport check %s` shows the same", file)
	}
	return f
}

// prepare makes the setup of the file as it is now, beside the one in force.
func (s *supervisor) prepare(old *setup) (*setup, plan.Plan, error) {
	cfg, err := old.programs.Rules(s.owners).Load(s.options.file)
	if err != nil {
		return nil, plan.Plan{}, err
	}
	steps := plan.Make(old.cfg, cfg)
	if len(steps.Refused) > 0 {
		return nil, steps, fmt.Errorf("supervisor { %s } cannot change while it runs; stop it and start it again", strings.Join(steps.Refused, ", "))
	}
	if err := errors.Join(s.checkProofs(cfg), s.checkCPU(cfg)); err != nil {
		return nil, steps, err
	}
	next := &setup{cfg: cfg, programs: old.programs, replaced: make(chan struct{})}
	if next.inputs, err = old.inputs.succeed(cfg); err != nil {
		return nil, steps, err
	}
	if next.bus, err = old.bus.Succeed(busConfig(cfg, s.ids(cfg), s.log)); err != nil {
		return nil, steps, errors.Join(err, next.inputs.leave(old.inputs))
	}
	next.sensors = numberSensors(cfg, next.inputs, old.sensors)
	for i := range cfg.Workers {
		w := old.worker(cfg.Workers[i].Name)
		if steps.Steps[i].Do != plan.Keep {
			w, err = newWorker(s, next, &cfg.Workers[i])
		}
		if err != nil {
			return nil, steps, errors.Join(err, s.release(next, old))
		}
		next.workers = append(next.workers, w)
	}
	return next, steps, nil
}

// goOnWaiting does for a worker that is kept what began under the setup before:
// it still waits for others, or starts when somebody connects.
func (s *supervisor) goOnWaiting(st *setup, w *worker) {
	if w.status().state == monitor.Declared || st.config(w).OnConnect {
		s.begin(st, w)
	}
}

// release gives up what a setup has and the other has not.
func (s *supervisor) release(st, other *setup) error {
	var errs []error
	for _, w := range st.workers {
		if !slices.Contains(other.workers, w) {
			errs = append(errs, w.exe.Close())
		}
	}
	return errors.Join(append(errs, st.bus.Leave(other.bus), st.inputs.leave(other.inputs))...)
}

// apply carries a plan out. Rights go first, by IPC_SET, before any process is
// asked to stop; then what is queued for those who go is taken by them.
func (s *supervisor) apply(old, next *setup, steps plan.Plan) {
	var leaving []*worker
	for _, w := range old.workers {
		if slices.Contains(next.workers, w) {
			continue
		}
		leaving = append(leaving, w)
		if err := old.bus.Revoke(w.cfg.ID); err != nil {
			s.log.Error("revoke at a reload", "worker", w.cfg.Name, "error", err)
		}
	}
	s.settle(old, next)
	s.retire(leaving)
	s.current.Store(next)
	close(old.replaced)
	next.inputs.storeSince(old.inputs)
	for i, step := range steps.Steps[:len(next.workers)] {
		w := next.workers[i]
		if step.Do == plan.Keep {
			rules := rules(&next.cfg.Workers[i])
			w.pass(note{rules: &rules})
			s.goOnWaiting(next, w)
			continue
		}
		stayDown := false
		if before := old.worker(w.cfg.Name); before != nil {
			stayDown = w.follow(before)
		}
		s.crew.add(w)
		if stayDown {
			w.tell(monitor.Event{Kind: monitor.Stop})
		}
		if !stayDown || next.config(w).OnConnect {
			s.begin(next, w)
		}
	}
	for _, step := range steps.Of(plan.Stop) {
		s.tally.forget(old.worker(step.Worker).cfg.ID)
	}
	if err := s.release(old, next); err != nil {
		s.log.Error("release what the new configuration does not have", "error", err)
	}
}

// settle lets receivers take what is queued in lanes that go with a reload.
func (s *supervisor) settle(old, next *setup) {
	late := time.After(drainTime)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		left, err := old.bus.Waiting(next.bus)
		if err != nil {
			s.log.Error("look at the lanes that go", "error", err)
		}
		if left == 0 {
			return
		}
		select {
		case <-late:
			return
		case <-look.C:
		}
	}
}

// follow takes over from a worker of the same name that has ended: its numbers
// go on. It says whether this one is to stay down as well, because an operator
// stopped that one, or because its process is still there.
func (w *worker) follow(before *worker) (stayDown bool) {
	select {
	case <-before.ended:
	default:
		return true
	}
	w.epoch, w.diedAt = before.epoch, before.diedAt
	before.mu.Lock()
	defer before.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = before.held
	w.shown.Epoch, w.shown.LastExit = w.epoch, before.shown.LastExit
	return w.held
}
