package main

import (
	"context"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/monitor"
)

// workerStatus is one item of the answer to `status`.
type workerStatus struct {
	Worker     string        `json:"worker"`
	State      string        `json:"state"`
	PID        int           `json:"pid"`
	UID        uint32        `json:"uid"`
	Epoch      uint32        `json:"epoch"`
	Restarts   int           `json:"restarts"`
	UptimeMS   float64       `json:"uptime_ms"`
	ProofLevel int           `json:"proof_level"`
	Policy     string        `json:"policy"`
	LastExit   string        `json:"last_exit"`
	Says       string        `json:"says"` // its last STATUS
	Grants     []grantStatus `json:"grants"`
	WaitsFor   []string      `json:"waits_for"` // to be ready before it starts

	started time.Time
	state   monitor.State
	session *session // while it is ready
}

type grantStatus struct {
	Name      string  `json:"name"`
	Number    int32   `json:"number"` // of the descriptor in the worker
	ReceiptMS float64 `json:"receipt_ms"`
}

// show takes a picture of the worker for `status`. The loop calls it after
// every event, so an answer never waits for a worker.
func (w *worker) show() {
	state := w.mon.State()
	now := workerStatus{state: state, Worker: w.cfg.Name, State: state.String(), UID: w.id, Epoch: w.epoch, Restarts: w.mon.Restarts(),
		Policy: w.cfg.Policy, LastExit: w.shown.LastExit, Grants: []grantStatus{}}
	if x := w.session; x != nil && state.Running() {
		now.PID, now.started = x.pid(), x.started
		if state == monitor.Ready {
			now.ProofLevel, now.session = x.proof.Level(), x
			x.mu.Lock()
			for _, g := range x.grants {
				now.Grants = append(now.Grants, grantStatus{Name: g.Name(), Number: g.WorkerFD(), ReceiptMS: milliseconds(g.Latency())})
			}
			x.mu.Unlock()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now.Says = w.shown.Says
	w.shown = now
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *worker) status() workerStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.shown
	st.WaitsFor = append([]string{}, w.waiting...)
	if !st.started.IsZero() {
		st.UptimeMS = milliseconds(time.Since(st.started))
	}
	return st
}

// supervisorStatus is the first item of the answer to `status`.
type supervisorStatus struct {
	Supervisor  string       `json:"supervisor"`
	UptimeMS    float64      `json:"uptime_ms"`
	NotEnforced []protection `json:"not_enforced"`
	Degraded    []string     `json:"degraded"` // optional devices that are missing
	Totals      totals       `json:"totals"`   // since the start
}

// totals are the figures of a summary that can be had at any time.
type totals struct {
	Readings     uint64 `json:"readings"`
	Alerts       uint64 `json:"alerts"`
	Lost         uint64 `json:"lost"`
	InFlightLost uint64 `json:"in_flight_lost"`
	Dropped      uint64 `json:"dropped"`
	Waited       uint64 `json:"waited"`
	Blocked      uint64 `json:"blocked"`
	Regranted    uint64 `json:"regranted"`
}

func totalsOf(s control.Summary) totals {
	return totals{s.Readings, s.Alerts, s.Lost, s.InFlightLost, s.Dropped, s.Waited, s.Blocked, s.Regranted}
}

// verbs are what the control socket answers beside `events`.
func (s *supervisor) verbs() map[string]control.Verb {
	return map[string]control.Verb{
		"queue": s.queue, "start": s.operateWorker, "stop": s.operateWorker, "restart": s.operateWorker,
		"reload": s.reloadVerb, "inspect": s.inspect, "upgrade": s.upgradeVerb,
		"status": func(_ context.Context, _ control.Request, emit func(any) error) error {
			err := emit(supervisorStatus{Supervisor: s.now().cfg.Supervisor.Name, UptimeMS: milliseconds(time.Since(s.started)),
				NotEnforced: s.missing, Degraded: s.now().inputs.degraded(), Totals: totalsOf(s.tally.summary())})
			for _, w := range s.now().workers {
				if err == nil {
					err = emit(w.status())
				}
			}
			return err
		},
	}
}
