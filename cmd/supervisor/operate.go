package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/monitor"
)

// workerOrder are the arguments of start, stop and restart.
type workerOrder struct {
	Worker string `json:"worker"`
}

// decodeArgs reads arguments; a key that nobody knows is a fault.
func decodeArgs(r control.Request, into any, example string) error {
	if len(r.Args) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(r.Args))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &control.Fault{Code: "SP0422", What: r.Verb + ": the arguments make no sense", Why: err.Error(), Fix: "send " + example}
	}
	return nil
}

// operateWorker answers start, stop and restart: it tells the worker's loop and
// answers with the worker as it is when that is done, or does not succeed.
func (s *supervisor) operateWorker(ctx context.Context, r control.Request, emit func(any) error) error {
	var o workerOrder
	if err := decodeArgs(r, &o, `{"worker":"sampler"}`); err != nil {
		return err
	}
	w := s.now().worker(o.Worker)
	if w == nil {
		return s.noWorker(o.Worker)
	}
	s.log.Info("an operator's wish", "verb", r.Verb, "worker", o.Worker)
	before := w.status().Epoch
	kind := map[string]monitor.EventKind{"start": monitor.Start, "stop": monitor.Stop, "restart": monitor.Again}[r.Verb]
	w.mu.Lock()
	w.held = kind == monitor.Stop
	w.mu.Unlock()
	w.tell(monitor.Event{Kind: kind})
	st, err := w.await(ctx, func(st workerStatus) bool {
		switch {
		case kind == monitor.Stop:
			return st.state == monitor.Stopped
		case kind == monitor.Again && st.Epoch == before:
			return false // still the process before
		}
		return st.state == monitor.Ready || st.Epoch > before && !st.state.Running()
	})
	if err != nil {
		return &control.Fault{Code: "SP0434", What: fmt.Sprintf("%s of worker %q is not done yet: it is %s", r.Verb, o.Worker, st.State),
			Why: err.Error(), Fix: "see `sallyport status` for how it goes on"}
	}
	if kind != monitor.Stop && st.state != monitor.Ready {
		return &control.Fault{Code: "SP0435", What: fmt.Sprintf("worker %q did not get ready: it is %s", o.Worker, st.State),
			Why: st.LastExit, Fix: "the supervisor's log has what it printed"}
	}
	return emit(st)
}

func (s *supervisor) noWorker(name string) error {
	var names []string
	for _, one := range s.now().workers {
		names = append(names, one.cfg.Name)
	}
	return &control.Fault{Code: "SP0433", What: fmt.Sprintf("there is no worker %.40q", name), Why: "workers are: " + strings.Join(names, ", "),
		Fix: "see `sallyport status`; one that was added to the file is there after `sallyport reload`"}
}

// await returns the first status that is as wanted, or after the longest time
// that a stop and a start may take together, with an error, the last.
func (w *worker) await(ctx context.Context, wanted func(workerStatus) bool) (workerStatus, error) {
	late := time.After(stopGrace + w.cfg.ReadyWithin + endTime)
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		st := w.status()
		if wanted(st) {
			return st, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return st, context.Cause(ctx)
		case <-w.ended:
			return st, fmt.Errorf("the worker was taken out of service meanwhile")
		case <-late:
			return st, fmt.Errorf("it takes longer than a start and a stop may")
		}
	}
}

// reloadVerb answers reload with every step of the plan, and then whether it
// was carried out.
func (s *supervisor) reloadVerb(_ context.Context, r control.Request, emit func(any) error) error {
	var o struct {
		DryRun bool `json:"dry_run"`
	}
	if err := decodeArgs(r, &o, `{"dry_run":true}`); err != nil {
		return err
	}
	return s.reload(o.DryRun, emit)
}
