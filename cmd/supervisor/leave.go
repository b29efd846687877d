package main

import (
	"maps"
	"slices"
	"time"

	"sallyport/internal/monitor"
)

// estate writes down a worker whose loop stands still.
func (w *worker) estate() (workerEstate, error) {
	w.mu.Lock()
	e := workerEstate{Name: w.cfg.Name, Epoch: w.epoch, Held: w.held, DiedAt: instantOf(w.diedAt),
		Last: w.shown.LastExit, Says: w.shown.Says}
	w.mu.Unlock()
	e.Delays = w.rules.Delay.(*delays).taken
	e.Monitor = monitorEstate{Snapshot: w.mon.Snapshot()}
	e.Monitor.DeadlineAt, e.Monitor.ReadySince = instantOf(e.Monitor.Deadline), instantOf(e.Monitor.ReadyAt)
	for _, t := range e.Monitor.Failures {
		e.Monitor.FailedAt = append(e.Monitor.FailedAt, instantOf(t))
	}
	e.Monitor.Deadline, e.Monitor.ReadyAt, e.Monitor.Failures = time.Time{}, time.Time{}, nil
	if w.mon.State() != monitor.Ready {
		return e, nil
	}
	var err error
	e.Session, err = w.session.estate()
	return e, err
}

// estate writes down the session of a worker that is ready.
func (x *session) estate() (*sessionEstate, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := &sessionEstate{Started: instantOf(x.started), GrantedAt: instantOf(x.grantedAt), GraceUntil: instantOf(x.graceUntil),
		Handover: x.handover, Granted: x.granted, ReadySeq: x.readySeq, Missing: slices.Sorted(maps.Keys(x.missing)),
		Proof: x.proof.Estate(), Notify: -1,
		Profile: x.filter.name, Texts: x.filter.files, Program: x.filter.program.BPF, Cgroup: x.cgroup != nil}
	var err error
	if e.Channel, e.Files, err = x.conn.Export(); err != nil {
		return nil, err
	}
	if e.Process, err = x.proc.Export(); err != nil {
		return nil, err
	}
	if x.notify != nil {
		e.Notify, err = numberOf(x.notify)
	}
	return e, err
}

// monitorOf makes the monitor again, its times as times.
func monitorOf(rules monitor.Config, e *monitorEstate) *monitor.Monitor {
	s := e.Snapshot
	s.Deadline, s.ReadyAt = e.DeadlineAt.time(), e.ReadySince.time()
	for _, i := range e.FailedAt {
		s.Failures = append(s.Failures, i.time())
	}
	return monitor.Restore(rules, s)
}

func (t *tally) estate() tallyEstate {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := tallyEstate{Sums: t.sums, Gaps: t.gaps, InFlight: t.inFlight}
	for end, p := range t.ends {
		e.Ends = append(e.Ends, endEstate{end.worker, end.peer, end.role, end.urgent, end.epoch, p.Count, p.ended})
	}
	return e
}

func (e *tallyEstate) tally() *tally {
	t := newTally()
	t.sums, t.gaps, t.inFlight = e.Sums, e.Gaps, e.InFlight
	for _, left := range e.Ends {
		t.ends[laneEnd{left.Worker, left.Peer, left.Role, left.Urgent, left.Epoch}] = position{Count: left.Count, ended: left.Ended}
	}
	return t
}
