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
	"sallyport/internal/install"
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
	filter  *filter
	log     hclog.Logger
	ended   chan struct{} // closed when it is stopped and nobody wants it back
	endOnce sync.Once
	inbox   chan note
	turned  atomic.Uint64 // the last turn of the watchdog that the loop has seen

	mon     *monitor.Monitor
	epoch   uint32
	session *session
	diedAt  time.Time // of the last process; zero before the first death

	mu    sync.Mutex
	shown workerStatus // what `status` says
}

// note is something for the loop: an event of the session of an epoch, or with
// epoch 0 a wish of the operator.
type note struct {
	epoch uint32
	event monitor.Event
	word  *word
	turn  uint64 // of the watchdog, when not 0
}

func newWorker(s *supervisor, cfg *config.Worker, programs install.Dir, owners []uint32) (*worker, error) {
	exe, err := config.Binary(programs.Command(cfg.Command[0]), owners...)
	if err != nil {
		return nil, fmt.Errorf("worker %q (%s:%d): %w", cfg.Name, s.options.file, cfg.Pos.Line, err)
	}
	rights := s.bus.Rights(cfg.ID)
	vars := seccomp.Vars{"send_queues": ids(rights.Send), "receive_queues": ids(rights.Receive), "frames": ids(rights.Sizes),
		"self_pid": {seccomp.PIDTemplate}}
	filter, err := s.filters.compile(cfg.Policy, vars)
	if err != nil {
		exe.Close()
		return nil, fmt.Errorf("worker %q (%s:%d): %w", cfg.Name, s.options.file, cfg.Pos.Line, err)
	}
	delay := backoff.NewExponentialBackOff()
	delay.InitialInterval, delay.MaxInterval = cfg.Restart.BackoffMin, cfg.Restart.BackoffMax
	delay.Reset()
	w := &worker{s: s, cfg: cfg, id: s.ids()(cfg.ID), exe: exe, filter: filter, log: s.log.Named(cfg.Name),
		ended: make(chan struct{}), inbox: make(chan note, inboxSize),
		mon: monitor.New(monitor.Config{
			ReadyWithin: cfg.ReadyWithin, Heartbeat: cfg.Heartbeat, StopGrace: stopGrace, Healthy: 10 * cfg.Restart.BackoffMin,
			Restart: monitor.Restart{When: cfg.Restart.When, GiveUp: cfg.Restart.GiveUp, GiveUpWithin: cfg.Restart.GiveUpWithin},
			Delay:   delay,
		})}
	w.log.Debug("filter verified", "profile", cfg.Policy, "instructions", len(filter.program.BPF)/8, "took", filter.took)
	w.show()
	return w, nil
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
func (w *worker) tell(e monitor.Event) { w.inbox <- note{event: e} }

// loop is the worker's actor: it alone drives the monitor and does what that
// answers. It ends with ctx, after the ordered stop.
func (w *worker) loop(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if at, ok := w.mon.Deadline(); ok {
			timer.Reset(time.Until(at))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			w.handle(monitor.Event{Kind: monitor.Tick})
		case n := <-w.inbox:
			switch {
			case n.turn != 0:
				w.turned.Store(n.turn)
			case n.epoch != 0 && n.epoch != w.epoch:
				// a late word of a process that was reaped
			case n.word != nil:
				w.hear(*n.word)
			default:
				w.handle(n.event)
			}
		}
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
	state := w.mon.State()
	if ran && !state.Running() {
		w.announceExit(state)
	}
	if state == monitor.Stopped || state == monitor.GivenUp || state == monitor.Quarantined {
		select {
		case <-w.s.stopping:
			w.endOnce.Do(func() { close(w.ended) })
		default:
		}
	}
	w.show()
	if state != before {
		w.s.stateChanged()
	}
}

func (w *worker) do(act monitor.Action) {
	switch act.Kind {
	case monitor.Launch:
		w.epoch++
		w.session = newSession(w, w.epoch)
		go w.session.run()
	case monitor.Prove, monitor.Grant:
		w.session.proceed <- act.Kind
	case monitor.Permit:
		w.permit()
	case monitor.Revoke:
		if err := w.s.bus.Revoke(w.cfg.ID); err != nil {
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
		w.s.inputs.makeSafe(w.cfg.Devices)
	}
}

// permit opens the lanes of a worker that is ready, and only then acknowledges
// its READY: the worker sends nothing before.
func (w *worker) permit() {
	if err := w.s.bus.Permit(w.cfg.ID); err != nil {
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
	level := hclog.Info
	if next != monitor.Stopped {
		level = hclog.Warn
	}
	w.log.Log(level, "ended", "why", reason, "next", next.String())
	w.s.hub.Publish(control.Exited{Worker: w.cfg.Name, Reason: reason, Next: next.String()})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
