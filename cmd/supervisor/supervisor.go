package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/oklog/run"
	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/bus"
	"sallyport/internal/cgroup"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/install"
	"sallyport/internal/launch"
	"sallyport/pkg/scmrights"
)

// supervisor is what all actors share. Its fields are set before the actors start
// and only read afterwards; what a configuration decides is in current.
type supervisor struct {
	options  options
	owners   []uint32 // further users that may own the configuration and the binaries
	log      hclog.Logger
	current  atomic.Pointer[setup]
	reloads  sync.Mutex // held by a reload, and by the ordered stop
	crew     *crew
	turns    sync.WaitGroup // those that wait for a worker's turn to start
	hub      *control.Hub
	server   *control.Server
	stage    *os.File // the worker binary, which every launch begins with
	launcher *launch.Launcher
	filters  *filters
	tally    *tally
	budget   *scmrights.Budget // of descriptors on their way to any worker
	own      int               // seccomp filters the supervisor itself runs under
	missing  []protection      // what cannot be enforced here
	landlock int               // version of its interface; 0 is none
	cgroups  *cgroup.Tree      // nil where there is no place for them
	started  time.Time
	baseline table // descriptors open before the first of ours
	logs     outputs

	service service
	thread  *launch.Thread // makes every clone, and an exec

	switched  map[string]int // the feed's: outputs by device, as was announced last
	fed       chan struct{}  // closed when the feed is over
	haltFeed  chan *halt
	haltTap   chan *halt
	haltWatch chan *halt
	upgrades  chan upgradeOrder
	inherited []*output // of processes that run on
	estate    *estate   // what a predecessor in this process left; nil for the first

	signals  chan os.Signal
	hangups  chan os.Signal
	stopping chan struct{} // closed when the ordered stop begins
	stopped  chan struct{} // closed when it is over
	stopOnce sync.Once
}

// hear begins to hear signals, and lets clients follow the log.
func (s *supervisor) hear() {
	if tee, can := s.log.(hclog.InterceptLogger); can {
		tee.RegisterSink(logSink{s.hub})
	}
	// Never undone: a second SIGTERM must not end us in the middle of the stop.
	signal.Notify(s.signals, unix.SIGTERM, unix.SIGINT)
	signal.Notify(s.hangups, unix.SIGHUP)
}

// run goes on until a signal or a failure ends it, and returns after the ordered
// stop. One that took over has everything open.
func (s *supervisor) run() error {
	if s.estate == nil {
		err := s.open()
		if err == nil {
			st := s.now()
			s.server, err = control.Listen(st.cfg.Supervisor.Control, s.verbs(), s.hub, s.log.Named("control"))
		}
		if err != nil {
			s.close(context.Background())
			return err
		}
	}
	var group run.Group
	// The conductor comes first: run.Group interrupts in this order, and every
	// other interrupt waits until the ordered stop is over.
	add(&group, "conductor", s.conduct, func(error) { s.beginStop() })
	for _, w := range s.now().workers {
		s.crew.add(w)
	}
	add(&group, "workers", s.crew.execute, s.afterStop(s.crew.interrupt))
	tapCtx, cancelTap := context.WithCancel(context.Background())
	add(&group, "tap", func() error { return s.tap(tapCtx) }, s.afterStop(cancelTap))
	watchCtx, cancelWatch := context.WithCancel(context.Background())
	add(&group, "watch", func() error { return s.watch(watchCtx) }, s.afterStop(cancelWatch))
	add(&group, "control", s.server.Execute, s.afterStop(func() { s.server.Interrupt(nil) }))
	return group.Run()
}

// newSupervisor has nothing open yet.
func newSupervisor(o options, log hclog.Logger) (*supervisor, error) {
	baseline, err := descriptors()
	if err != nil {
		return nil, err
	}
	s := &supervisor{options: o, log: log, hub: &control.Hub{}, tally: newTally(), budget: scmrights.NewBudget(inFlight), started: time.Now(), baseline: baseline,
		service: service{manager: o.manager, changed: make(chan struct{}, 1)},
		thread:  launch.NewThread(), switched: make(map[string]int), fed: make(chan struct{}),
		haltFeed: make(chan *halt), haltTap: make(chan *halt), haltWatch: make(chan *halt), upgrades: make(chan upgradeOrder),
		crew: newCrew(), signals: make(chan os.Signal, 1), hangups: make(chan os.Signal, 1),
		stopping: make(chan struct{}), stopped: make(chan struct{})}
	s.current.Store(&setup{cfg: &config.Config{}, replaced: make(chan struct{})})
	return s, nil
}

// add gives the group an actor whose errors and panics carry its name.
func add(group *run.Group, name string, execute func() error, interrupt func(error)) {
	group.Add(func() error { return guarded(name, execute) }, interrupt)
}

func guarded(name string, execute func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", name, p, debug.Stack())
		}
	}()
	if err := execute(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// afterStop makes an interrupt that waits for the ordered stop.
func (s *supervisor) afterStop(do func()) func(error) {
	return func(error) {
		<-s.stopped
		do()
	}
}

// open reads the configuration and opens everything it names, in the order in
// which a mistake is cheapest. What it opened when it fails, close releases.
func (s *supervisor) open() error {
	if err := launch.Probe(); err != nil {
		return err
	}
	var err error
	if s.owners, err = s.options.alsoOwner(); err != nil {
		return err
	}
	st := &setup{replaced: make(chan struct{})}
	if st.programs, err = install.Find(); err != nil {
		return err
	}
	if st.cfg, err = st.programs.Rules(s.owners).Load(s.options.file); err != nil {
		return err
	}
	s.current.Store(st) // from here on, close finds what there is
	if err := s.protect(st.cfg); err != nil {
		return err
	}
	if s.own, err = attest.OwnFilters(); err != nil {
		return err
	}
	if s.own > 0 {
		s.log.Warn("another seccomp filter surrounds the supervisor: its refusals outrank the answers to a worker's notices", "filters", s.own)
	}
	if err := s.checkProofs(st.cfg); err != nil {
		return err
	}
	if st.inputs, err = openInputs(st.cfg, s.owners, s.options, s.log); err != nil {
		return err
	}
	s.forget()
	st.inputs.storeSince(nil)
	st.sensors = numberSensors(st.cfg, st.inputs, nil)
	if st.bus, err = bus.New(busConfig(st.cfg, s.ids(st.cfg), s.log)); err != nil {
		return err
	}
	s.filters = &filters{config: s.options.file, owners: s.owners, learn: s.options.learn}
	if s.options.learn != "" {
		s.log.Warn("one worker is not filtered: its calls are recorded", "worker", s.options.learn)
	}
	var faults []error
	for i := range st.cfg.Workers {
		w, err := newWorker(s, st, &st.cfg.Workers[i])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		st.workers = append(st.workers, w)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	if s.stage, err = config.Binary(st.programs.Worker(), s.owners...); err != nil {
		return err
	}
	s.launcher, err = launch.NewOn(s.stage, s.thread)
	return err
}

// ids gives every worker its user and group id, equal numbers from the pool.
func (s *supervisor) ids(cfg *config.Config) func(worker uint32) uint32 {
	return func(worker uint32) uint32 {
		if s.options.rootless {
			return 0
		}
		return cfg.UserID(worker)
	}
}
