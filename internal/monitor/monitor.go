package monitor

import (
	"fmt"
	"slices"
	"time"
)

// Restart says when an ended worker is started again.
type Restart struct {
	When         string        // "always", "on-failure" or "never"
	GiveUp       int           // so many failures ...
	GiveUpWithin time.Duration // ... within this time end the attempts; 0 never
}

// Delay gives the waits between restarts. *backoff.ExponentialBackOff of
// github.com/cenkalti/backoff satisfies it.
type Delay interface {
	NextBackOff() time.Duration
	Reset()
}

// Config is what a Monitor is told once.
type Config struct {
	ReadyWithin time.Duration // from launch to READY
	Heartbeat   time.Duration // the longest silence of a ready worker; 0 means any
	StopGrace   time.Duration // from STOP to the kill
	Healthy     time.Duration // ready for so long, the next delay is the shortest again
	Restart     Restart
	Delay       Delay
}

// Monitor holds the state of one worker. It is not safe for concurrent use.
type Monitor struct {
	cfg      Config
	state    State
	deadline time.Time // zero: none
	readyAt  time.Time // zero: not ready in this epoch
	unwanted bool      // Stop came
	again    bool      // Again, or Start after Stop, came: launch at the exit
	finished bool      // DONE came
	breached bool
	flooded  bool
	reason   string // why the supervisor ends it, or how it ended
	failures []time.Time
	restarts int
}

// New returns a Monitor in state Declared.
func New(cfg Config) *Monitor { return &Monitor{cfg: cfg} }

// State says where the worker stands.
func (m *Monitor) State() State { return m.state }

// Reason says in words why the worker last ended, or is being ended.
func (m *Monitor) Reason() string { return m.reason }

// Restarts counts the launches after the first.
func (m *Monitor) Restarts() int { return m.restarts }

// Deadline is when a Tick is due; ok is false when none is.
func (m *Monitor) Deadline() (at time.Time, ok bool) {
	return m.deadline, !m.deadline.IsZero()
}

// Reconfigure changes the rules from now on: times, restarts and delays. The
// deadline of a start or stop under way stays what it was.
func (m *Monitor) Reconfigure(now time.Time, cfg Config) {
	m.cfg = cfg
	m.heard(now)
}

// Handle takes one event, observed at now, and returns what is to be done.
// An event that means nothing in the present state changes nothing.
func (m *Monitor) Handle(now time.Time, e Event) []Action {
	switch e.Kind {
	case Start:
		return m.start(now)
	case Stop:
		return m.stop(now)
	case Again:
		return m.restart(now)
	case Tick:
		return m.tick(now)
	case Exited:
		return m.exited(now, e)
	}
	if !m.state.Running() {
		return nil // late word of a process that was reaped
	}
	switch e.Kind {
	case Hello:
		return m.advance(Starting, Proving, Prove)
	case Proved:
		return m.advance(Proving, Granting, Grant)
	case Readied:
		return m.ready(now)
	case Heard:
		m.heard(now)
	case Finished:
		m.finished = true
	case Failed:
		return m.end(now, e.Reason)
	case Flooded:
		acts := m.end(now, e.Reason)
		m.flooded = true
		return acts
	case Breached:
		acts := m.end(now, e.Reason)
		m.breached, m.reason = true, e.Reason // whatever was noticed first, this was the cause
		return acts
	}
	return nil
}

func (m *Monitor) start(now time.Time) []Action {
	if !m.state.Running() {
		return m.afresh(now)
	}
	m.again = m.again || m.unwanted
	m.unwanted = false
	return nil
}

// restart is a stop that is followed by a start, whatever the rules say.
func (m *Monitor) restart(now time.Time) []Action {
	if !m.state.Running() {
		return m.afresh(now)
	}
	acts := m.stop(now)
	m.unwanted, m.again = false, true
	return acts
}

// afresh launches by the wish of an operator, who has looked: what led to
// giving up is forgotten.
func (m *Monitor) afresh(now time.Time) []Action {
	m.failures, m.restarts = nil, 0
	m.cfg.Delay.Reset()
	return m.launch(now)
}

func (m *Monitor) launch(now time.Time) []Action {
	m.state, m.deadline = Starting, now.Add(m.cfg.ReadyWithin)
	m.readyAt, m.finished, m.breached, m.flooded = time.Time{}, false, false, false
	m.unwanted, m.again = false, false
	return []Action{{Kind: Launch}}
}

func (m *Monitor) advance(from, to State, do ActionKind) []Action {
	if m.state != from {
		return nil
	}
	m.state = to
	return []Action{{Kind: do}}
}

func (m *Monitor) ready(now time.Time) []Action {
	acts := m.advance(Granting, Ready, Permit)
	if acts != nil {
		m.readyAt = now
		m.heard(now)
	}
	return acts
}

func (m *Monitor) heard(now time.Time) {
	if m.state != Ready {
		return
	}
	m.deadline = time.Time{}
	if m.cfg.Heartbeat > 0 {
		m.deadline = now.Add(m.cfg.Heartbeat)
	}
}

func (m *Monitor) stop(now time.Time) []Action {
	m.unwanted, m.again = true, false
	switch m.state {
	case Ready:
		m.state, m.deadline, m.reason = Stopping, now.Add(m.cfg.StopGrace), "stopped"
		return []Action{{Kind: Revoke}, {Kind: AskStop}}
	case Starting, Proving, Granting:
		return m.end(now, "stopped before it was ready")
	case Stopping:
		return nil
	}
	m.state, m.deadline = Stopped, time.Time{}
	return nil
}

// end makes the worker end for a reason of ours. The first reason stays.
func (m *Monitor) end(now time.Time, reason string) []Action {
	if m.state != Stopping || m.reason == "stopped" {
		m.reason = reason
	}
	m.state, m.deadline = Stopping, now.Add(m.cfg.StopGrace)
	return []Action{{Kind: Revoke}, {Kind: Kill, Reason: m.reason}}
}

func (m *Monitor) tick(now time.Time) []Action {
	if m.deadline.IsZero() || now.Before(m.deadline) {
		return nil
	}
	switch m.state {
	case Starting, Proving, Granting:
		return m.end(now, fmt.Sprintf("not ready within %v (it was %v)", m.cfg.ReadyWithin, m.state))
	case Ready:
		return m.end(now, fmt.Sprintf("no sign of life for %v", m.cfg.Heartbeat))
	case Stopping:
		return m.end(now, fmt.Sprintf("did not stop within %v", m.cfg.StopGrace))
	case Backoff:
		m.restarts++
		return m.launch(now)
	}
	m.deadline = time.Time{}
	return nil
}

func (m *Monitor) exited(now time.Time, e Event) []Action {
	if !m.state.Running() {
		return nil
	}
	ours := m.state == Stopping && m.reason != "stopped"
	if !ours && e.Reason != "" {
		m.reason = e.Reason
	}
	acts := []Action{{Kind: Revoke}, {Kind: Release}}
	if m.again {
		return append(acts, m.afresh(now)...)
	}
	m.state, m.deadline = m.next(now, e.Clean && !ours)
	return acts
}

// next is the state after an exit, and when it is left again.
func (m *Monitor) next(now time.Time, clean bool) (State, time.Time) {
	when := m.cfg.Restart.When
	if m.flooded && !m.unwanted {
		return Quarantined, time.Time{} // it was warned twice: whatever the rule, not again by itself
	}
	if m.unwanted || m.finished || when == "never" || when == "on-failure" && clean {
		return Stopped, time.Time{}
	}
	if !m.readyAt.IsZero() && now.Sub(m.readyAt) >= m.cfg.Healthy {
		m.cfg.Delay.Reset()
	}
	if m.exhausted(now) {
		if m.breached {
			return Quarantined, time.Time{}
		}
		return GivenUp, time.Time{}
	}
	return Backoff, now.Add(m.cfg.Delay.NextBackOff())
}

// exhausted records a failure and says whether it was one too many.
func (m *Monitor) exhausted(now time.Time) bool {
	r := m.cfg.Restart
	if r.GiveUp <= 0 {
		return false
	}
	m.failures = append(m.failures, now)
	m.failures = slices.DeleteFunc(m.failures, func(t time.Time) bool {
		return now.Sub(t) > r.GiveUpWithin
	})
	return len(m.failures) >= r.GiveUp
}
