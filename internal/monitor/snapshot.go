package monitor

import "time"

// Snapshot is all that a Monitor knows, for a successor in another program. Times
// are as given to Handle; zero is none.
type Snapshot struct {
	State                               State
	Deadline, ReadyAt                   time.Time
	Unwanted, Again, Finished, Breached bool
	Flooded                             bool
	Reason                              string
	Failures                            []time.Time
	Restarts                            int
}

// Snapshot gives what Restore needs, but for the Config.
func (m *Monitor) Snapshot() Snapshot {
	return Snapshot{State: m.state, Deadline: m.deadline, ReadyAt: m.readyAt,
		Unwanted: m.unwanted, Again: m.again, Finished: m.finished, Breached: m.breached, Flooded: m.flooded,
		Reason: m.reason, Failures: append([]time.Time(nil), m.failures...), Restarts: m.restarts}
}

// Restore makes a Monitor that goes on where another one was. The Config's Delay
// must have been brought to where it was, too.
func Restore(cfg Config, s Snapshot) *Monitor {
	return &Monitor{cfg: cfg, state: s.State, deadline: s.Deadline, readyAt: s.ReadyAt,
		unwanted: s.Unwanted, again: s.Again, finished: s.Finished, breached: s.Breached, flooded: s.Flooded,
		reason: s.Reason, failures: append([]time.Time(nil), s.Failures...), restarts: s.Restarts}
}
