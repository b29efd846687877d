package lane_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

func TestAlertOvertakesQueuedReadings(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s, r := l.sender(1), l.receiver()
	const queued = 100
	for i := range queued {
		l.clock.Add(1000)
		must(t, s.Reading(7, regular, float64(i), "°C"))
	}
	l.clock.Add(1000)
	must(t, s.Alert(7, alerts, 8.5, "°C", "fridge\nwarm"))
	l.clock.Add(250_000)
	first := next(t, r)
	if !first.Urgent || first.Frame.Kind != reading.Alert || first.Frame.Text != "fridge\uFFFDwarm" || first.Frame.Value != 8.5 || first.Frame.Sensor != 7 {
		t.Fatalf("first came %+v", first)
	}
	for i := range queued {
		item := next(t, r)
		if item.Urgent || item.Frame.Value != float64(i) || item.Frame.Seq != uint64(i+1) {
			t.Fatalf("reading %d: %+v", i, item)
		}
	}
	l.clock.Add(1000)
	must(t, s.Reading(7, regular, 0, "")) // younger than the alert
	next(t, r)
	empty(t, r)
	want := []lane.Seen{{Seq: 1, From: me, Sensor: 7, Overtook: queued, LatencyUS: 250}}
	if diff := cmp.Diff(want, l.seen); diff != "" {
		t.Error(diff)
	}
}

func TestSeenIsCountedForASecond(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s, r := l.sender(1), l.receiver()
	must(t, s.Reading(7, regular, 1, ""))
	must(t, s.Reading(7, regular, 2, ""))
	l.clock.Add(1)
	must(t, s.Alert(7, alerts, 3, "", ""))
	next(t, r)
	next(t, r)
	l.clock.Add(int64(time.Second))
	next(t, r)
	if len(l.seen) != 1 || l.seen[0].Overtook != 1 {
		t.Errorf("seen %+v", l.seen)
	}
}

func TestLowestBandFirstAndSendersInTurn(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s, r := l.sender(1), l.receiver()
	must(t, s.Reading(7, slow, 1, ""))
	must(t, s.Reading(7, slow, 2, ""))
	must(t, s.Reading(7, regular, 3, ""))
	var got []float64
	for range 3 {
		got = append(got, next(t, r).Frame.Value)
	}
	if diff := cmp.Diff([]float64{3, 1, 2}, got); diff != "" {
		t.Error(diff)
	}
	empty(t, r)
	// Out of order is not lost.
	if c := r.Counts(); len(c) != 1 || c[0] != (lane.Count{Peer: me, Epoch: 1, First: 1, Last: 3, Taken: 3}) {
		t.Errorf("%+v", c)
	}
}

func TestDropUsesUpASequenceNumber(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 2*reading.Size)
	s, r := l.sender(3), l.receiver()
	for i := range 5 {
		must(t, s.Reading(7, regular, float64(i), ""))
	}
	next(t, r)
	next(t, r)
	must(t, s.Reading(7, regular, 5, ""))
	if got := next(t, r).Frame.Seq; got != 6 {
		t.Errorf("seq %d, want 6", got)
	}
	empty(t, r)
	want := []lane.Count{{Peer: me, Epoch: 3, First: 1, Last: 6, Gaps: 3, Taken: 3}}
	if diff := cmp.Diff(want, r.Counts()); diff != "" {
		t.Error(diff)
	}
	want = []lane.Count{
		{Peer: peer, Role: lane.RoleSender, Urgent: true, Epoch: 3},
		{Peer: peer, Role: lane.RoleSender, Epoch: 3, First: 1, Last: 6, Dropped: 3, Taken: 3},
	}
	if diff := cmp.Diff(want, s.Counts()); diff != "" {
		t.Error(diff)
	}
}

func TestSenderErrors(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s := l.sender(1)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"unknown band":  {s.Reading(7, "nonsense", 1, ""), "nonsense"},
		"unknown alert": {s.Alert(7, "nonsense", 1, "", ""), "nonsense"},
		"long unit":     {s.Reading(7, regular, 1, "far too long"), "unit"},
		"not a number":  {s.Alert(7, alerts, nan(), "", ""), "finite"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if s.Counts()[1].Last != 0 || s.Waiting() != 0 {
		t.Error("a refused reading used up a number")
	}
	must(t, l.routine.Remove())
	must(t, l.urgent.Remove())
	if err := s.Reading(7, regular, 1, ""); !errors.Is(err, sysvctl.ErrRemoved) {
		t.Error(err)
	}
	if err := s.Alert(7, alerts, 1, "", ""); !errors.Is(err, sysvctl.ErrRemoved) || s.Waiting() != 0 {
		t.Error(err, s.Waiting())
	}
	if _, err := l.receiver().Receive(context.Background()); !errors.Is(err, sysvctl.ErrRemoved) {
		t.Error(err)
	}
	_, err := lane.NewSender(lane.SenderConfig{Outs: []lane.Out{{Bell: "bell.other"}}})
	if err == nil || !strings.Contains(err.Error(), "bell.other") {
		t.Error(err)
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

// A band that only the tap hears goes to the tap; its frames have no text.
func TestTap(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s, err := lane.NewSender(lane.SenderConfig{Worker: me, Epoch: 1, Now: l.now, Outs: []lane.Out{
		{To: 0, Urgent: lane.NoLane, Routine: int32(l.routine.ID()), Ack: lane.NoLane, Bands: map[string]uint16{alerts: 1, regular: 5}},
	}})
	must(t, err)
	must(t, s.Reading(7, regular, 1, "x"))
	must(t, s.Alert(7, alerts, 2, "x", strings.Repeat("long ", 100)))
	cfg := l.config()
	cfg.Worker, cfg.Tap, cfg.Seen = 0, true, nil
	cfg.Ins[0].Urgent, cfg.Ins[0].Ack = lane.NoLane, lane.NoLane
	r, err := lane.NewReceiver(cfg)
	must(t, err)
	if item := next(t, r); !item.Urgent || item.Frame.Text != "" || item.Frame.Value != 2 || item.Frame.Seq != 2 {
		t.Errorf("alert %+v", item)
	}
	if item := next(t, r); item.Urgent || item.Frame.Value != 1 {
		t.Errorf("reading %+v", item)
	}
	if s.Waiting() != 0 || len(l.rejected) != 0 {
		t.Error(s.Waiting(), l.rejected)
	}
}

func TestBellWakesReceiver(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	cfg := l.config()
	cfg.Now, cfg.Seen = nil, nil
	r, err := lane.NewReceiver(cfg)
	must(t, err)
	s := l.sender(1)
	latencies := make(chan time.Duration)
	start := make(chan time.Time)
	go func() {
		for at := range start {
			next(t, r)
			latencies <- time.Since(at)
		}
	}()
	for i := range 20 {
		start <- time.Now()
		time.Sleep(2 * time.Millisecond) // let it wait
		if i%2 == 0 {
			must(t, s.Reading(7, regular, 1, ""))
		} else {
			must(t, s.Alert(7, alerts, 1, "", ""))
		}
		// Without the bell it would be the slow tick's second.
		if d := <-latencies; d > 500*time.Millisecond {
			t.Errorf("item %d after %v", i, d)
		}
	}
	close(start)
}

func TestReceiveEndsWithItsContext(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	cfg := l.config()
	cfg.Now = nil
	r, err := lane.NewReceiver(cfg)
	must(t, err)
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		began := time.Now()
		if _, err := r.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 500*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		cancel()
	}
	// And it works after that.
	must(t, l.sender(1).Reading(7, regular, 1, ""))
	next(t, r)
}

func TestRoutineEveryHoldsReadingsAndNotAlerts(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	cfg := l.config()
	cfg.RoutineEvery = time.Minute
	r, err := lane.NewReceiver(cfg)
	must(t, err)
	s := l.sender(1)
	empty(t, r) // the first round is over at once
	must(t, s.Reading(7, regular, 1, ""))
	must(t, s.Reading(7, regular, 2, ""))
	l.clock.Add(1)
	must(t, s.Alert(7, alerts, 3, "", ""))
	if item := next(t, r); !item.Urgent {
		t.Fatalf("%+v", item)
	}
	empty(t, r)
	l.clock.Add(int64(time.Minute))
	if got := next(t, r).Frame.Value; got != 1 {
		t.Error(got)
	}
	must(t, s.Alert(7, alerts, 4, "", ""))
	if got := next(t, r).Frame.Value; got != 4 {
		t.Error(got, "an alert waits for a round of readings")
	}
	if got := next(t, r).Frame.Value; got != 2 {
		t.Error(got)
	}
	empty(t, r)
	must(t, s.Reading(7, regular, 5, ""))
	empty(t, r)
	r.Hurry()
	if got := next(t, r).Frame.Value; got != 5 {
		t.Error(got, "what waited for the round is not taken in a hurry")
	}
}

func TestBlockingReadingWaitsAndAlertsDoNot(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, reading.Size)
	s, err := lane.NewSender(lane.SenderConfig{
		Worker: me, Epoch: 1,
		Outs: []lane.Out{{Queue: "readings", Full: lane.Block, To: peer, Urgent: int32(l.urgent.ID()), Routine: int32(l.routine.ID()), Ack: int32(l.ack.ID()),
			Bands: map[string]uint16{alerts: 1, regular: 5}}},
	})
	must(t, err)
	must(t, s.Reading(7, regular, 1, ""))
	sent := make(chan error, 1)
	go func() { sent <- s.Reading(7, regular, 2, "") }()
	select {
	case err := <-sent:
		t.Fatal("did not wait:", err)
	case <-time.After(50 * time.Millisecond):
	}
	must(t, s.Alert(7, alerts, 3, "", ""))
	cfg := l.config()
	cfg.Bell = nil
	r, err := lane.NewReceiver(cfg)
	must(t, err)
	for _, want := range []float64{3, 1} {
		if got := next(t, r).Frame.Value; got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
	must(t, <-sent)
	if got := next(t, r).Frame.Value; got != 2 {
		t.Error(got)
	}
	if c := s.Counts()[1]; c.Taken != 2 || c.Dropped != 0 || c.Waited != 1 {
		t.Errorf("%+v", c)
	}
}

func TestFullBellIsRungAlready(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 64)
	s := l.sender(1)
	for range 70_000 { // more than a pipe holds
		must(t, s.Reading(7, regular, 1, ""))
	}
	next(t, l.receiver())
}

func TestReadingAllocatesNothing(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s := l.sender(1)
	if n := testing.AllocsPerRun(100, func() { _ = s.Reading(7, regular, 1, "°C") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBlockingBellIsRefused(t *testing.T) {
	f, err := os.Open(os.DevNull) // not in the poller
	must(t, err)
	defer f.Close()
	if _, err := lane.NewReceiver(lane.ReceiverConfig{Bell: f}); err == nil {
		t.Error("taken")
	}
}

// What is in hand counts as taken when it was acted on, all of it at once.
func TestSeveralInHand(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s, r := l.sender(1), l.receiver()
	for i := range 4 {
		must(t, s.Reading(7, regular, float64(i), ""))
	}
	next(t, r)
	for want := 1.0; want < 3; want++ {
		item, err := r.ReceiveMore(t.Context())
		must(t, err)
		if item.Frame.Value != want {
			t.Errorf("%v, want %v", item.Frame.Value, want)
		}
	}
	taken := func(want uint64) {
		t.Helper()
		n := uint64(0)
		for _, c := range r.Counts() {
			n += c.Taken
		}
		if n != want {
			t.Errorf("%d taken, want %d", n, want)
		}
	}
	taken(0)
	if got := next(t, r).Frame.Value; got != 3 { // the first three are acted on
		t.Error(got)
	}
	taken(3)
	r.Acted()
	taken(4)
}
