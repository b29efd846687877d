package monitor_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sallyport/internal/monitor"
)

type fixedDelay struct{ resets int }

func (d *fixedDelay) NextBackOff() time.Duration { return 200 * time.Millisecond }
func (d *fixedDelay) Reset()                     { d.resets++ }

func config() monitor.Config {
	return monitor.Config{
		ReadyWithin: 5 * time.Second, Heartbeat: 10 * time.Second, StopGrace: 2 * time.Second, Healthy: time.Second,
		Restart: monitor.Restart{When: "on-failure", GiveUp: 3, GiveUpWithin: time.Minute},
		Delay:   &fixedDelay{},
	}
}

// step is one event, when it comes, and what it must lead to.
type step struct {
	after time.Duration
	event monitor.Event
	state monitor.State
	acts  []monitor.ActionKind
}

func ev(k monitor.EventKind) monitor.Event { return monitor.Event{Kind: k} }

var start = []step{
	{0, ev(monitor.Start), monitor.Starting, []monitor.ActionKind{monitor.Launch}},
	{0, ev(monitor.Hello), monitor.Proving, []monitor.ActionKind{monitor.Prove}},
	{0, ev(monitor.Proved), monitor.Granting, []monitor.ActionKind{monitor.Grant}},
	{0, ev(monitor.Readied), monitor.Ready, []monitor.ActionKind{monitor.Permit}},
}

func TestSchedules(t *testing.T) {
	crash := monitor.Event{Kind: monitor.Exited, Reason: "killed by SIGKILL"}
	gone := []monitor.ActionKind{monitor.Revoke, monitor.Release}
	end := []monitor.ActionKind{monitor.Revoke, monitor.Kill}
	for name, steps := range map[string][]step{
		"crash and restart": append(slices.Clone(start),
			step{0, crash, monitor.Backoff, gone},
			step{100 * time.Millisecond, ev(monitor.Tick), monitor.Backoff, nil},
			step{100 * time.Millisecond, ev(monitor.Tick), monitor.Starting, []monitor.ActionKind{monitor.Launch}}),
		"stop in order": append(slices.Clone(start),
			step{0, ev(monitor.Stop), monitor.Stopping, []monitor.ActionKind{monitor.Revoke, monitor.AskStop}},
			step{time.Second, monitor.Event{Kind: monitor.Exited, Clean: true}, monitor.Stopped, gone}),
		"stop that hangs": append(slices.Clone(start),
			step{0, ev(monitor.Stop), monitor.Stopping, []monitor.ActionKind{monitor.Revoke, monitor.AskStop}},
			step{2 * time.Second, ev(monitor.Tick), monitor.Stopping, end},
			step{0, crash, monitor.Stopped, gone}),
		"silence": append(slices.Clone(start),
			step{9 * time.Second, ev(monitor.Heard), monitor.Ready, nil},
			step{9 * time.Second, ev(monitor.Tick), monitor.Ready, nil},
			step{time.Second, ev(monitor.Tick), monitor.Stopping, end}),
		"not ready in time": append(slices.Clone(start[:2]),
			step{5 * time.Second, ev(monitor.Tick), monitor.Stopping, end}),
		"ready before the grants": append(slices.Clone(start[:2]),
			step{0, ev(monitor.Readied), monitor.Proving, nil}),
		"done": append(slices.Clone(start),
			step{0, ev(monitor.Finished), monitor.Ready, nil},
			step{0, crash, monitor.Stopped, gone}),
		"flood": append(slices.Clone(start),
			step{0, monitor.Event{Kind: monitor.Flooded, Reason: "flooded"}, monitor.Stopping, end},
			step{0, crash, monitor.Quarantined, gone},
			step{time.Hour, ev(monitor.Tick), monitor.Quarantined, nil},
			step{0, ev(monitor.Start), monitor.Starting, []monitor.ActionKind{monitor.Launch}},
			step{0, crash, monitor.Backoff, gone}),
		"flood, and nobody wants it back": append(slices.Clone(start),
			step{0, monitor.Event{Kind: monitor.Flooded, Reason: "flooded"}, monitor.Stopping, end},
			step{0, ev(monitor.Stop), monitor.Stopping, nil},
			step{0, crash, monitor.Stopped, gone}),
		"restart by hand": append(slices.Clone(start),
			step{0, ev(monitor.Again), monitor.Stopping, []monitor.ActionKind{monitor.Revoke, monitor.AskStop}},
			step{time.Second, monitor.Event{Kind: monitor.Exited, Clean: true}, monitor.Starting, append(slices.Clone(gone), monitor.Launch)}),
		"restart that hangs": append(slices.Clone(start),
			step{0, ev(monitor.Again), monitor.Stopping, []monitor.ActionKind{monitor.Revoke, monitor.AskStop}},
			step{2 * time.Second, ev(monitor.Tick), monitor.Stopping, end},
			step{0, crash, monitor.Starting, append(slices.Clone(gone), monitor.Launch)}),
		"restart, then stop": append(slices.Clone(start),
			step{0, ev(monitor.Again), monitor.Stopping, []monitor.ActionKind{monitor.Revoke, monitor.AskStop}},
			step{0, ev(monitor.Stop), monitor.Stopping, nil},
			step{0, crash, monitor.Stopped, gone}),
		"stop, then start": append(slices.Clone(start),
			step{0, ev(monitor.Stop), monitor.Stopping, []monitor.ActionKind{monitor.Revoke, monitor.AskStop}},
			step{0, ev(monitor.Start), monitor.Stopping, nil},
			step{0, monitor.Event{Kind: monitor.Exited, Clean: true}, monitor.Starting, append(slices.Clone(gone), monitor.Launch)}),
		"start in backoff": append(slices.Clone(start),
			step{0, crash, monitor.Backoff, gone},
			step{0, ev(monitor.Start), monitor.Starting, []monitor.ActionKind{monitor.Launch}}),
		"start of a running one": append(slices.Clone(start),
			step{0, ev(monitor.Start), monitor.Ready, nil},
			step{0, monitor.Event{Kind: monitor.Exited, Clean: true}, monitor.Stopped, gone}),
		"clean exit, on-failure": append(slices.Clone(start),
			step{0, monitor.Event{Kind: monitor.Exited, Clean: true}, monitor.Stopped, gone}),
	} {
		t.Run(name, func(t *testing.T) { play(t, monitor.New(config()), steps) })
	}
}

func play(t *testing.T, m *monitor.Monitor, steps []step) {
	now := time.Unix(0, 0)
	for i, s := range steps {
		now = now.Add(s.after)
		var got []monitor.ActionKind
		for _, a := range m.Handle(now, s.event) {
			got = append(got, a.Kind)
		}
		if m.State() != s.state || !slices.Equal(got, s.acts) {
			t.Fatalf("step %d: state %v, actions %v; want %v, %v", i, m.State(), got, s.state, s.acts)
		}
	}
}

func TestGivesUpAndComesBackByHand(t *testing.T) {
	for _, c := range []struct {
		kind, byHand monitor.EventKind
		want         monitor.State
	}{{monitor.Failed, monitor.Start, monitor.GivenUp}, {monitor.Breached, monitor.Again, monitor.Quarantined}} {
		m, now := monitor.New(config()), time.Unix(0, 0)
		m.Handle(now, ev(monitor.Start))
		for range 3 {
			m.Handle(now, monitor.Event{Kind: c.kind, Reason: "why"})
			m.Handle(now, monitor.Event{Kind: monitor.Exited, Reason: "killed by SIGKILL"})
			if at, ok := m.Deadline(); ok {
				now = at
				m.Handle(now, ev(monitor.Tick))
			}
		}
		if m.State() != c.want || m.Reason() != "why" {
			t.Fatalf("state %v for %q, want %v for the first reason", m.State(), m.Reason(), c.want)
		}
		if acts := m.Handle(now, ev(c.byHand)); len(acts) != 1 || m.State() != monitor.Starting {
			t.Fatalf("a start by hand led to %v", m.State())
		}
		// What led to giving up is forgotten: one more failure is the first.
		m.Handle(now, monitor.Event{Kind: monitor.Exited, Reason: "killed by SIGKILL"})
		if m.State() != monitor.Backoff {
			t.Fatalf("after a failure that followed a start by hand: %v", m.State())
		}
	}
}

// TestReconfigure: new rules hold for the next failure, and a ready worker's
// heartbeat from now on.
func TestReconfigure(t *testing.T) {
	m, now := monitor.New(config()), time.Unix(0, 0)
	play(t, m, start)
	rules := config()
	rules.Heartbeat, rules.Restart.When = time.Second, "never"
	m.Reconfigure(now, rules)
	if at, ok := m.Deadline(); !ok || at.Sub(now) != time.Second {
		t.Errorf("deadline %v, %v", at, ok)
	}
	if m.Handle(now, monitor.Event{Kind: monitor.Exited, Reason: "killed by SIGKILL"}); m.State() != monitor.Stopped {
		t.Errorf("state %v under the rule never", m.State())
	}
}

// TestBreachIsTheReason: a fault of the channel that the kill of a breach causes
// may be noticed first.
func TestBreachIsTheReason(t *testing.T) {
	m, now := monitor.New(config()), time.Unix(0, 0)
	m.Handle(now, ev(monitor.Start))
	m.Handle(now, monitor.Event{Kind: monitor.Failed, Reason: "broken pipe"})
	m.Handle(now, monitor.Event{Kind: monitor.Breached, Reason: "breach"})
	m.Handle(now, monitor.Event{Kind: monitor.Exited, Reason: "killed by SIGKILL"})
	if m.Reason() != "breach" {
		t.Errorf("reason %q", m.Reason())
	}
}

// TestAllowedTable holds the table against a second writing of it.
func TestAllowedTable(t *testing.T) {
	for w := monitor.WordHello; w <= monitor.WordCount; w++ {
		for s := monitor.Declared; s <= monitor.Quarantined; s++ {
			want := false
			switch s {
			case monitor.Starting:
				want = w == monitor.WordHello
			case monitor.Granting:
				want = w != monitor.WordHello && w != monitor.WordSeen && w != monitor.WordCount
			case monitor.Ready, monitor.Stopping:
				want = w > monitor.WordReady
			}
			if monitor.Allowed(s, w) != want {
				t.Errorf("%v in state %v: allowed %v", w, s, !want)
			}
		}
	}
}

// TestRandomSchedules drives the machine with every event in every state and
// holds two promises: lanes are open in no state but Ready, and a process
// exists exactly in the running states.
func TestRandomSchedules(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		m, now := monitor.New(config()), time.Unix(0, 0)
		process, open := false, false
		for range 60 {
			now = now.Add(time.Duration(r.IntN(4000)) * time.Millisecond)
			e := monitor.Event{Kind: monitor.EventKind(r.IntN(int(monitor.Exited) + 1)), Clean: r.IntN(2) == 0}
			if e.Kind == monitor.Exited && !process {
				continue
			}
			if e.Kind == monitor.Exited {
				process = false
			}
			for _, a := range m.Handle(now, e) {
				switch a.Kind {
				case monitor.Launch:
					if process {
						t.Fatal("launched twice")
					}
					process = true
				case monitor.Permit:
					open = true
				case monitor.Revoke:
					open = false
				}
			}
			if open && m.State() != monitor.Ready {
				t.Fatalf("lanes open in state %v", m.State())
			}
			if process != m.State().Running() {
				t.Fatalf("state %v with a process %v", m.State(), process)
			}
		}
	}
}
