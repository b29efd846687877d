package monitor_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"sallyport/internal/monitor"
	"sallyport/tests/results"
)

// TestSimulation plays a worker, the kernel, the clock and an operator against
// a Monitor, at random, and holds every promise of the package at every step.
// SEED repeats a run, N sets its steps: `make simulate N=10000000`.
func TestSimulation(t *testing.T) {
	seed, n := number(t, "SEED", uint64(time.Now().UnixNano())), number(t, "N", 100_000)
	t.Logf("SEED=%d N=%d", seed, n)
	began := time.Now()
	w := newWorld(rand.New(rand.NewPCG(seed, 0)))
	for i := range n {
		if i%200 == 0 {
			w.born()
		}
		if err := w.step(); err != nil {
			t.Fatalf("step %d: %v\nstate %v after %v\nlately: %v", i, err, w.m.State(), w.last, w.journal)
		}
	}
	for _, s := range []monitor.State{monitor.Ready, monitor.Stopped, monitor.Backoff, monitor.GivenUp, monitor.Quarantined} {
		if w.visits[s] == 0 && n >= 100_000 {
			t.Errorf("state %v was never reached: the schedules are not what they should be", s)
		}
	}
	if file := os.Getenv("RESULTS"); file != "" {
		r := results.New(fmt.Sprintf("make simulate N=%d SEED=%d", n, seed), began)
		r.Add("steps", n)
		for s := monitor.Declared; s <= monitor.Quarantined; s++ {
			r.Add("entered "+s.String(), w.visits[s])
		}
		r.Add("broken", 0)
		if err := results.Append(file, r); err != nil {
			t.Error(err)
		}
	}
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, text, err)
	}
	return n
}

// world is everything around a Monitor, and what is known of the past.
type world struct {
	r   *rand.Rand
	m   *monitor.Monitor
	cfg monitor.Config
	now time.Time

	process  bool // one exists
	asked    bool // it was asked to stop
	killed   bool // SIGKILL is under way
	proving  bool // the proof was asked for
	granted  bool
	open     bool // its lanes
	released bool // since its end
	wanted   bool // by the operator's last wish
	byHand   bool // a wish came since the last launch
	fine     bool // the last exit was clean and nobody's fault but its own
	failures []time.Time

	visits  [monitor.Quarantined + 1]uint64
	last    monitor.Event
	journal []string
}

func newWorld(r *rand.Rand) *world { return &world{r: r, now: time.Unix(0, 0)} }

// born puts another Monitor in its place, with other rules.
func (w *world) born() {
	when := []string{"always", "on-failure", "never"}[w.r.IntN(3)]
	w.cfg = monitor.Config{
		ReadyWithin: 5 * time.Second, Heartbeat: []time.Duration{0, 10 * time.Second}[w.r.IntN(2)], StopGrace: 2 * time.Second, Healthy: time.Second,
		Restart: monitor.Restart{When: when, GiveUp: w.r.IntN(4), GiveUpWithin: time.Minute}, Delay: &fixedDelay{},
	}
	visits := w.visits
	*w = world{r: w.r, now: w.now, cfg: w.cfg, m: monitor.New(w.cfg), visits: visits}
}

// step makes one thing happen and checks what comes of it.
func (w *world) step() error {
	w.now = w.now.Add(time.Duration(w.r.ExpFloat64() * float64(400*time.Millisecond)))
	if at, ok := w.m.Deadline(); ok && (w.r.IntN(8) == 0 || w.now.After(at)) {
		w.now = at // nothing overtakes a deadline
		return w.tell(monitor.Event{Kind: monitor.Tick})
	}
	return w.tell(w.something())
}

// something is the next event: of the operator now and then, else of the
// process there is.
func (w *world) something() monitor.Event {
	switch w.r.IntN(40) {
	case 0:
		return monitor.Event{Kind: monitor.Stop}
	case 1:
		return monitor.Event{Kind: monitor.Again}
	case 2, 3:
		return monitor.Event{Kind: monitor.Start}
	case 4: // late words of a process that may be gone
		return monitor.Event{Kind: monitor.Hello + monitor.EventKind(w.r.IntN(int(monitor.Failed-monitor.Hello)))}
	}
	if !w.process {
		return monitor.Event{Kind: monitor.Start}
	}
	if w.killed || w.asked && w.r.IntN(2) == 0 || w.r.IntN(30) == 0 {
		clean := !w.killed && w.r.IntN(3) > 0
		return monitor.Event{Kind: monitor.Exited, Clean: clean, Reason: "exit"}
	}
	if w.r.IntN(40) == 0 {
		return monitor.Event{Kind: monitor.Breached, Reason: "breach"}
	}
	// What a worker says: allowed words become events, others end it.
	word := monitor.Word(w.r.IntN(int(monitor.WordCount) + 1))
	switch in := w.m.State(); {
	case in == monitor.Proving:
		return monitor.Event{Kind: monitor.Proved}
	case in == monitor.Starting && w.r.IntN(4) > 0:
		return monitor.Event{Kind: monitor.Hello}
	case in == monitor.Granting && w.r.IntN(4) > 0:
		return monitor.Event{Kind: monitor.Readied}
	case !monitor.Allowed(in, word):
		return monitor.Event{Kind: monitor.Failed, Reason: "protocol"}
	case word == monitor.WordDone:
		return monitor.Event{Kind: monitor.Finished}
	}
	return monitor.Event{Kind: monitor.Heard}
}

// tell gives the Monitor an event, follows its actions, and checks all of it.
func (w *world) tell(e monitor.Event) error {
	before := w.m.State()
	w.note(e)
	if err := w.observe(before, e); err != nil {
		return err
	}
	acts := w.m.Handle(w.now, e)
	for _, a := range acts {
		if err := w.act(a, before, e); err != nil {
			return fmt.Errorf("%v: %w", a.Kind, err)
		}
	}
	if after := w.m.State(); after != before {
		w.visits[after]++
	}
	return w.check(before, e)
}

func (w *world) note(e monitor.Event) {
	w.last = e
	w.journal = append(w.journal, fmt.Sprintf("%v+%d", w.m.State(), e.Kind))
	w.journal = w.journal[max(0, len(w.journal)-20):]
}

// observe keeps what the event says, before the Monitor hears it.
func (w *world) observe(before monitor.State, e monitor.Event) error {
	switch e.Kind {
	case monitor.Start:
		// Of one that runs and is wanted it changes nothing.
		w.byHand = w.byHand || !w.process || !w.wanted
		w.wanted = true
	case monitor.Again:
		w.wanted, w.byHand = true, true
	case monitor.Stop:
		w.wanted, w.byHand = false, false
	case monitor.Exited:
		if !w.process {
			return fmt.Errorf("the simulation reaped nothing")
		}
		w.process, w.released = false, false
		w.fine = e.Clean && (before != monitor.Stopping || w.m.Reason() == "stopped")
	}
	return nil
}
