package main

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/bus"
	"sallyport/internal/cgroup"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/device"
	"sallyport/internal/fault"
	"sallyport/internal/install"
	"sallyport/internal/lane"
	"sallyport/internal/launch"
	"sallyport/internal/seccomp"
	"sallyport/pkg/scmrights"
)

// adopt makes of an estate what open makes of a configuration. It reads from no
// worker, answers nobody and closes nothing: until the end of it the program
// before can be put back with everything as it was.
func (s *supervisor) adopt(e *estate) error {
	st, err := s.check(e)
	if err != nil {
		return err
	}
	if fault.On("takeover-fails") {
		return fmt.Errorf("a test wants it to fail")
	}
	if fault.On("takeover-panics") {
		panic("a test wants it")
	}
	if fault.On("takeover-hangs") {
		select {}
	}
	if st.bus, err = bus.Adopt(busConfig(st.cfg, s.ids(st.cfg), s.log), e.Lanes); err != nil {
		return err
	}
	if st.inputs, err = adoptInputs(st.cfg, s, e); err != nil {
		return err
	}
	for _, one := range e.Sensors {
		alerted := new(atomic.Uint64)
		alerted.Store(one.Alerted)
		st.sensors = append(st.sensors, sensor{one.Name, one.Unit, one.Decode, one.Attribute, one.Worker, alerted, one.Gone})
	}
	s.missing, s.landlock = e.Missing, e.Landlock // it is the same kernel, and was waived
	if e.Cgroups != nil {
		if s.cgroups, err = cgroup.Adopt(*e.Cgroups); err != nil {
			return err
		}
	}
	if s.stage, err = config.Binary(st.programs.Worker(), s.owners...); err != nil {
		return err
	}
	if s.launcher, err = launch.NewOn(s.stage, s.thread); err != nil {
		return err
	}
	if s.server, err = control.Adopt(st.cfg.Supervisor.Control, e.Control, s.verbs(), s.hub, s.log.Named("control")); err != nil {
		return err
	}
	s.current.Store(st)
	if st.workers, err = s.adoptWorkers(st, e); err != nil {
		return err
	}
	s.started, s.tally, s.switched = e.Started.time(), e.Tally.tally(), e.Switched
	s.hub.Remember(e.Recent, e.Logged)
	return s.adoptOutputs(st, e)
}

// check makes a setup of what is known without a halt: whether this program and
// what belongs to it can carry on this configuration at all.
func (s *supervisor) check(e *estate) (*setup, error) {
	if err := launch.Probe(); err != nil {
		return nil, err
	}
	var err error
	if s.owners, err = s.options.alsoOwner(); err != nil {
		return nil, err
	}
	st := &setup{replaced: make(chan struct{})}
	if st.programs, err = install.Find(); err != nil {
		return nil, err
	}
	if st.cfg, err = st.programs.Rules(s.owners).Parse(s.options.file, []byte(e.Config)); err != nil {
		return nil, err
	}
	s.current.Store(st)
	if s.own, err = attest.OwnFilters(); err != nil {
		return nil, err
	}
	if err := s.checkProofs(st.cfg); err != nil {
		return nil, err
	}
	s.filters = &filters{config: s.options.file, owners: s.owners}
	return st, nil
}

func adoptInputs(cfg *config.Config, s *supervisor, e *estate) (*inputs, error) {
	in := newInputs(cfg, s.owners, s.options.manager, s.log)
	for _, left := range e.Devices {
		conf, known := cfg.Device(left.Name)
		if !known {
			return nil, fmt.Errorf("device %q was left and is in no configuration", left.Name)
		}
		d, err := device.Adopt(conf, left)
		if err != nil {
			return nil, err
		}
		in.devices[left.Name] = d
	}
	if e.Absent != nil {
		in.absent = e.Absent
	}
	in.listeners = listeners{files: make(map[string]*os.File), at: make(map[string]config.Socket)}
	for _, left := range e.Listeners {
		if _, err := unix.GetsockoptInt(left.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil {
			return nil, fmt.Errorf("listener %q: descriptor %d: %w", left.At.Name, left.FD, err)
		}
		unix.CloseOnExec(left.FD)
		name := left.At.Name
		in.listeners.files[name], in.listeners.at[name] = os.NewFile(uintptr(left.FD), "socket "+name), left.At
		if left.Made {
			in.listeners.made = append(in.listeners.made, left.At)
		}
	}
	return in, nil
}

func (s *supervisor) adoptWorkers(st *setup, e *estate) ([]*worker, error) {
	var all []*worker
	for i := range st.cfg.Workers {
		cfg := &st.cfg.Workers[i]
		at := slices.IndexFunc(e.Workers, func(left workerEstate) bool { return left.Name == cfg.Name })
		if at < 0 {
			return nil, fmt.Errorf("nobody left the worker %q", cfg.Name)
		}
		w, err := openWorker(s, st, cfg)
		if err == nil {
			err = w.adopt(&e.Workers[at])
		}
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	if len(all) != len(e.Workers) {
		return nil, fmt.Errorf("%d workers were left, the configuration has %d", len(e.Workers), len(all))
	}
	return all, nil
}

func (s *supervisor) adoptOutputs(st *setup, e *estate) error {
	for _, left := range e.Outputs {
		log := s.log.Named(left.Worker)
		if err := unix.SetNonblock(left.FD, true); err != nil {
			return fmt.Errorf("output of worker %q: descriptor %d: %w", left.Worker, left.FD, err)
		}
		unix.CloseOnExec(left.FD)
		s.inherited = append(s.inherited, &output{log: log, name: left.Worker, epoch: left.Epoch,
			pipe: os.NewFile(uintptr(left.FD), "output"), rest: left.Rest, cut: left.Cut})
	}
	return nil
}

// adopt brings a worker to where its predecessor's was.
func (w *worker) adopt(left *workerEstate) error {
	for range left.Delays {
		w.rules.Delay.NextBackOff()
	}
	w.mon = monitorOf(w.rules, &left.Monitor)
	w.epoch, w.diedAt, w.held = left.Epoch, left.DiedAt.time(), left.Held
	w.shown.LastExit, w.shown.Says = left.Last, left.Says
	if left.Session == nil {
		w.show()
		return nil
	}
	x := left.Session
	filter, err := bind(x.Profile, x.Texts, w.vars)
	if err != nil {
		return fmt.Errorf("worker %q runs under a profile that this program cannot read: %w", left.Name, err)
	}
	filter.program = seccomp.NewProgram(seccomp.Native(), w.cfg.Policy, x.Program)
	w.session, err = w.adoptSession(x, filter)
	w.show()
	return err
}

// goOn begins to live with a process that the program before had started.
func (w *worker) goOn() {
	x := w.session
	if x == nil {
		return
	}
	go x.attend(x.proc)
	go x.sweep(x.expect())
	w.wake()
	for name := range x.missing {
		x.hearAgain(word{kind: lane.MsgLost, body: []byte(name)})
	}
}

func (w *worker) adoptSession(left *sessionEstate, filter *filter) (*session, error) {
	x := newSession(w, w.epoch)
	x.filter, x.started, x.grantedAt, x.graceUntil = filter, left.Started.time(), left.GrantedAt.time(), left.GraceUntil.time()
	x.granted, x.handover, x.readySeq = left.Granted, left.Handover, left.ReadySeq
	for _, name := range left.Missing {
		x.missing[name] = true
	}
	var err error
	if x.proc, err = w.s.launcher.Adopt(left.Process, filter.decide); err != nil {
		return nil, err
	}
	x.proof = attest.Adopt(x.proc, left.Proof)
	if left.Cgroup && w.s.cgroups != nil {
		if x.cgroup, err = w.s.cgroups.Adopt(w.cfg.Name); err != nil {
			return nil, err
		}
	}
	var grants []*scmrights.Grant
	if x.conn, grants, err = scmrights.Import(left.Channel, left.Files, w.channelConfig(x.proc)); err != nil {
		return nil, err
	}
	slices.Reverse(grants) // of a name that was granted again the last one counts
	for _, name := range left.Granted {
		if i := slices.IndexFunc(grants, func(g *scmrights.Grant) bool { return g.Name() == name }); i >= 0 {
			x.grants = append(x.grants, grants[i])
		}
	}
	if left.Notify >= 0 {
		unix.CloseOnExec(left.Notify)
		x.notify = os.NewFile(uintptr(left.Notify), "notify")
	}
	x.hushing, x.hushed = true, true // wake goes on with it
	return x, nil
}
