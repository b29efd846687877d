package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/hashicorp/go-hclog"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/monitor"
	"sallyport/internal/seccomp"
)

const (
	stopGrace = 2 * time.Second // from STOP to the kill
	inboxSize = 64
)

// worker is one worker over all its lives: its monitor, and the session of the
// process that runs now. Only its loop touches the fields below inbox.
type worker struct {
	s       *supervisor
	cfg     *config.Worker
	id      uint32 // user and group id of its processes
	exe     *os.File
	vars    seccomp.Vars // of its filter
	filter  *filter      // see confinement
	rules   monitor.Config
	log     hclog.Logger
	ended   chan struct{} // closed when it is retired and its process is gone
	endOnce sync.Once
	inbox   chan note
	asked   uint64        // the last turn of the watchdog that the conductor asked the loop for
	turned  atomic.Uint64 // the last one that it has seen

	mon     *monitor.Monitor
	epoch   uint32
	session *session
	diedAt  time.Time // of the last process; zero before the first death
	retired bool      // to end with its process
	halting *halt     // wanted, or nil

	mu      sync.Mutex
	shown   workerStatus  // what `status` says
	changed chan struct{} // closed and replaced when shown changes
	held    bool          // an operator stopped it
	waiting []string      // workers that it starts after
}

// note is something for the loop: an event of the session of an epoch, or with
// epoch 0 a wish of the operator.
type note struct {
	epoch  uint32
	event  monitor.Event
	word   *word
	retire bool            // stop, and let the loop end
	rules  *monitor.Config // from now on
	turn   uint64          // of the watchdog, when not 0
	halt   *halt           // stand still
	hushed bool            // the session does
	nudge  bool            // look whether it can be
}

// newWorker opens and compiles what a worker of a setup needs, and starts nothing.
func newWorker(s *supervisor, st *setup, cfg *config.Worker) (*worker, error) {
	w, err := openWorker(s, st, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := w.confinement(); err != nil {
		w.exe.Close()
		return nil, fmt.Errorf("worker %q (%s:%d): %w", cfg.Name, s.options.file, cfg.Pos.Line, err)
	}
	w.show()
	return w, nil
}

func openWorker(s *supervisor, st *setup, cfg *config.Worker) (*worker, error) {
	exe, err := config.Binary(st.programs.Command(cfg.Command[0]), s.owners...)
	if err != nil {
		return nil, fmt.Errorf("worker %q (%s:%d): %w", cfg.Name, s.options.file, cfg.Pos.Line, err)
	}
	rights := st.bus.Rights(cfg.ID)
	vars := seccomp.Vars{"send_queues": ids(rights.Send), "receive_queues": ids(rights.Receive), "block_queues": ids(rights.Block), "frames": ids(rights.Sizes),
		"self_pid": {seccomp.PIDTemplate}}
	w := &worker{s: s, cfg: cfg, id: s.ids(st.cfg)(cfg.ID), exe: exe, vars: vars, log: s.log.Named(cfg.Name),
		ended: make(chan struct{}), inbox: make(chan note, inboxSize), changed: make(chan struct{}), rules: rules(cfg)}
	w.mon = monitor.New(w.rules)
	return w, nil
}

// confinement is the filter of the worker's next process, compiled and verified
// when it is first asked for: by newWorker, or, for a worker that this program
// found running, at its next launch.
func (w *worker) confinement() (*filter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.filter != nil {
		return w.filter, nil
	}
	var err error
	if w.filter, err = w.s.filters.compile(w.cfg.Name, w.cfg.Policy, w.vars); err != nil {
		return nil, err
	}
	for _, r := range w.filter.profile.Acknowledged() {
		w.log.Warn("the profile undoes a part of the confinement, and says so", "line", r)
	}
	w.log.Debug("filter verified", "profile", w.cfg.Policy, "instructions", len(w.filter.program.BPF)/8, "took", w.filter.took)
	return w.filter, nil
}

// rules are what the monitor of a worker goes by.
func rules(cfg *config.Worker) monitor.Config {
	delay := &delays{ExponentialBackOff: backoff.NewExponentialBackOff()}
	delay.InitialInterval, delay.MaxInterval = cfg.Restart.BackoffMin, cfg.Restart.BackoffMax
	delay.Reset()
	return monitor.Config{
		ReadyWithin: cfg.ReadyWithin, Heartbeat: cfg.Heartbeat, StopGrace: stopGrace, Healthy: 10 * cfg.Restart.BackoffMin,
		Restart: monitor.Restart{When: cfg.Restart.When, GiveUp: cfg.Restart.GiveUp, GiveUpWithin: cfg.Restart.GiveUpWithin},
		Delay:   delay,
	}
}

// delays counts what it gives: the library does not say where it stands.
type delays struct {
	*backoff.ExponentialBackOff
	taken int // since the last reset
}

func (d *delays) NextBackOff() time.Duration {
	d.taken++
	return d.ExponentialBackOff.NextBackOff()
}

func (d *delays) Reset() {
	d.taken = 0
	d.ExponentialBackOff.Reset()
}

// ids widens queue ids and sizes to what the policy language binds.
func ids[T int | int32](values []T) []uint64 {
	wide := make([]uint64, len(values))
	for i, v := range values {
		wide[i] = uint64(v)
	}
	return wide
}

// tell gives the loop a wish of the operator.
func (w *worker) tell(e monitor.Event) { w.pass(note{event: e}) }

// retire stops the worker for good: ended tells when its process is gone.
func (w *worker) retire() { w.pass(note{retire: true}) }

func (w *worker) pass(n note) {
	select {
	case w.inbox <- n:
	case <-w.ended: // nobody reads any more
	}
}

// loop is the worker's actor: it alone drives the monitor and does what that
// answers. It ends when the worker is retired, or with ctx.
func (w *worker) loop(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	w.goOn()
	for {
		if at, ok := w.mon.Deadline(); ok {
			timer.Reset(time.Until(at))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.ended:
			if w.halting != nil {
				w.halting.here(ctx)
			}
			return nil
		case <-timer.C:
			w.handle(monitor.Event{Kind: monitor.Tick})
		case n := <-w.inbox:
			switch {
			case n.turn != 0:
				w.turned.Store(n.turn)
			case n.epoch != 0 && n.epoch != w.epoch:
				// a late word of a process that was reaped
			case n.halt != nil:
				w.halting = n.halt
			case n.hushed:
				if w.session.hushed = true; w.halting == nil {
					w.wake()
				}
			case n.nudge:
			case n.word != nil:
				w.hear(*n.word)
			case n.rules != nil:
				w.rules = *n.rules
				w.mon.Reconfigure(time.Now(), w.rules)
			case n.retire:
				w.retired = true
				w.handle(monitor.Event{Kind: monitor.Stop})
			default:
				w.handle(n.event)
			}
		}
		w.rest(ctx)
	}
}

// handle lets the monitor decide, and does what it says.
func (w *worker) handle(e monitor.Event) {
	before := w.mon.State()
	ran := before.Running()
	if e.Kind == monitor.Exited && ran {
		w.diedAt = time.Now()
	}
	for _, act := range w.mon.Handle(time.Now(), e) {
		w.do(act)
	}
	if e.Kind == monitor.Exited && ran {
		w.announceExit(w.mon.State())
	}
	w.show()
	if w.mon.State() != before {
		w.s.stateChanged()
	}
	if w.retired && !w.mon.State().Running() {
		w.endOnce.Do(func() { close(w.ended) })
	}
}

func (w *worker) do(act monitor.Action) {
	switch act.Kind {
	case monitor.Launch:
		if w.mon.Restarts() == 0 { // by hand, or for the first time: what its lanes were closed for is forgotten
			if err := w.s.now().bus.Forgive(w.cfg.ID); err != nil {
				w.log.Error("open its lanes again", "error", err)
			}
		}
		w.epoch++
		w.session = newSession(w, w.epoch)
		go w.session.run()
	case monitor.Prove, monitor.Grant:
		w.session.proceed <- act.Kind
	case monitor.Permit:
		w.permit()
	case monitor.Revoke:
		if err := w.s.now().bus.Revoke(w.cfg.ID); err != nil {
			w.log.Error("revoke", "error", err)
		}
	case monitor.AskStop:
		w.session.askStop()
	case monitor.Kill:
		w.log.Warn("ending the worker", "why", act.Reason)
		w.session.kill()
	case monitor.Release:
		w.session.close()
		w.s.tally.ended(w.cfg.ID)
		w.s.now().inputs.makeSafe(w.cfg.Devices)
	}
}

// permit opens the lanes of a worker that is ready, and only then acknowledges
// its READY: the worker sends nothing before.
func (w *worker) permit() {
	if err := w.s.now().bus.Permit(w.cfg.ID); err != nil {
		w.handle(monitor.Event{Kind: monitor.Failed, Reason: fmt.Sprintf("open its lanes: %v", err)})
		return
	}
	if err := w.session.acknowledgeReady(); err != nil {
		w.handle(monitor.Event{Kind: monitor.Failed, Reason: fmt.Sprintf("acknowledge READY: %v", err)})
		return
	}
	took := time.Since(w.session.started)
	w.log.Info("ready", "pid", w.session.pid(), "epoch", w.epoch, "proof", w.session.proof.Level(), "after", took.Round(time.Microsecond))
	w.s.hub.Publish(control.Ready{Worker: w.cfg.Name, ProofLevel: w.session.proof.Level(), MS: milliseconds(took)})
	if names := w.session.granted; !w.diedAt.IsZero() && len(names) > 0 {
		w.s.tally.regrant()
		w.s.hub.Publish(control.Regranted{Worker: w.cfg.Name, Names: slices.Clone(names),
			MS: milliseconds(w.session.grantedAt.Sub(w.diedAt)), HandoverMS: milliseconds(w.session.handover)})
	}
}

func (w *worker) announceExit(next monitor.State) {
	reason := w.mon.Reason()
	w.mu.Lock()
	w.shown.LastExit = reason
	w.mu.Unlock()
	level := hclog.Info
	if next != monitor.Stopped {
		level = hclog.Warn
	}
	w.log.Log(level, "ended", "why", reason, "next", next.String())
	w.s.hub.Publish(control.Exited{Worker: w.cfg.Name, Reason: reason, Next: next.String()})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
