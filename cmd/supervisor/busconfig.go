package main

import (
	"github.com/hashicorp/go-hclog"

	"sallyport/internal/bus"
	"sallyport/internal/config"
	"sallyport/internal/lane"
	"sallyport/pkg/sysvctl"
)

// busConfig says in the bus's own terms who sends what to whom. id gives the
// group id of a worker.
func busConfig(cfg *config.Config, id func(uint32) uint32, log hclog.Logger) bus.Config {
	out := bus.Config{Log: log.Named("bus").Warn}
	if cfg.Supervisor.HostIPC {
		out.Ledger = cfg.Supervisor.Control + ".queues"
	}
	for _, q := range cfg.Queues {
		out.Queues = append(out.Queues, bus.Queue{Name: q.Name, UrgentBytes: q.Urgent.Bytes, RoutineBytes: q.Routine.Bytes,
			UrgentBands: q.Urgent.Bands, RoutineBands: q.Routine.Bands, Full: lane.Rule(q.Routine.Full),
			Shared: q.Isolation == "shared", UrgentKey: sysvctl.Key(q.Urgent.Key), RoutineKey: sysvctl.Key(q.Routine.Key),
			UrgentMark: bus.Mark(q.Urgent.Flood), RoutineMark: bus.Mark(q.Routine.Flood)})
	}
	for _, w := range cfg.Workers {
		for _, q := range w.Queues {
			out.Members = append(out.Members, bus.Member{ID: w.ID, GID: id(w.ID), Name: w.Name, Queue: q.Name, Send: q.Send, Receive: q.Receive})
		}
	}
	return out
}
