package lane_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
)

func TestAlertInTheHandOfADeadReceiverComesAgain(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s := l.sender(1)
	must(t, s.Alert(7, alerts, 8.5, "°C", "warm"))
	must(t, s.Alert(7, alerts, 9, "°C", "warmer"))
	next(t, l.receiver()) // taken, never acted on: this receiver is gone
	s.Tick()
	successor := l.receiver()
	if got := next(t, successor).Frame.Seq; got != 2 {
		t.Fatalf("seq %d", got)
	}
	empty(t, successor)
	l.clock.Add(int64(time.Second))
	s.Tick() // acknowledges 2, sends 1 again
	if s.Waiting() != 1 {
		t.Errorf("%d alerts wait", s.Waiting())
	}
	item := next(t, successor)
	if item.Frame.Seq != 1 || item.Frame.Text != "warm" || item.Frame.Flags&reading.FlagResent == 0 {
		t.Errorf("%+v", item)
	}
	s.Tick()
	if s.Waiting() != 1 {
		t.Error("acknowledged before it was acted on")
	}
	successor.Acted()
	s.Tick()
	if s.Waiting() != 0 {
		t.Errorf("%d alerts wait", s.Waiting())
	}
	want := lane.Count{Peer: me, Urgent: true, Epoch: 1, First: 1, Last: 2, Taken: 2}
	if diff := cmp.Diff([]lane.Count{want}, successor.Counts()); diff != "" {
		t.Error(diff)
	}
}

func TestResentAlertIsTakenOnceAndAcknowledgedTwice(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s, r := l.sender(1), l.receiver()
	must(t, s.Alert(7, alerts, 1, "", ""))
	next(t, r)
	r.Acted()
	if n, err := l.ack.TryReceive(anything, make([]byte, 64)); err != nil { // the word is lost
		t.Fatal(n, err)
	}
	l.clock.Add(int64(time.Second))
	s.Tick()
	empty(t, r)
	s.Tick()
	if s.Waiting() != 0 {
		t.Error("not acknowledged the second time")
	}
	if c := r.Counts()[0]; c.Taken != 1 || c.Dropped != 0 {
		t.Errorf("%+v", c)
	}
}

func TestResendsBecomeRarer(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	s := l.sender(1)
	must(t, s.Alert(7, alerts, 1, "", ""))
	for range 300 { // 30 s
		l.clock.Add(int64(100 * time.Millisecond))
		s.Tick()
	}
	st, err := l.urgent.Stat()
	must(t, err)
	if st.Messages != 6 { // at 0, 1, 3, 7, 15, 23 s
		t.Errorf("%d copies in the lane after 30 s", st.Messages)
	}
	if c := s.Counts()[0]; c.Taken != 1 {
		t.Errorf("%+v: repetitions are not counted", c)
	}
}

func TestFullUrgentLaneDelaysAlerts(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 2*reading.Size, 16384)
	s, r := l.sender(1), l.receiver()
	for i := range 5 {
		must(t, s.Alert(7, alerts, float64(i), "", ""))
	}
	for i := range 5 {
		if got := next(t, r).Frame.Value; got != float64(i) {
			t.Errorf("alert %d: %v", i, got)
		}
		r.Acted()
		s.Tick()
	}
	empty(t, r)
	if s.Waiting() != 0 || len(l.lost) != 0 {
		t.Error(s.Waiting(), l.lost)
	}
	if c := s.Counts()[0]; c.Taken != 5 || c.Last != 5 {
		t.Errorf("%+v", c)
	}
}

func TestOutboxGivesUpTheOldestByName(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 2*reading.Size, 16384)
	s := l.sender(1)
	for i := range 66 {
		must(t, s.Alert(uint32(i), alerts, 1, "", ""))
	}
	if len(l.lost) != 2 || l.lost[0].Sensor != 0 || l.lost[1].Sensor != 1 {
		t.Errorf("lost %+v", l.lost)
	}
	if c := s.Counts()[0]; c.Last != 66 || c.Dropped != 2 || s.Waiting() != 64 {
		t.Errorf("%+v, %d wait", c, s.Waiting())
	}
}

func TestAcksOfAnotherLifeCountForNothing(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	must(t, l.sender(1).Alert(7, alerts, 1, "", ""))
	s := l.sender(2)
	must(t, s.Alert(7, alerts, 2, "", ""))
	r := l.receiver()
	next(t, r)
	r.Acted()
	s.Tick()
	if s.Waiting() != 1 {
		t.Error("the predecessor's acknowledgement was taken")
	}
	next(t, r)
	r.Acted()
	s.Tick()
	if s.Waiting() != 0 {
		t.Error("not acknowledged")
	}
	want := []lane.Count{
		{Peer: me, Urgent: true, Epoch: 1, First: 1, Last: 1, Taken: 1},
		{Peer: me, Urgent: true, Epoch: 2, First: 1, Last: 1, Taken: 1},
	}
	if diff := cmp.Diff(want, r.Counts()); diff != "" {
		t.Error(diff)
	}
}

func TestHostileFramesAreThrownAway(t *testing.T) {
	if !private(t) {
		return
	}
	good := func(kind reading.Kind, seq uint64) reading.Frame {
		return reading.Frame{Kind: kind, Band: 1, Worker: me, Sensor: 7, Epoch: 1, Seq: seq}
	}
	for name, c := range map[string]struct {
		make func() reading.Frame
		size int // 0: as encoded
		to   string
		as   int64 // 0: the band
		want string
	}{
		"another's number":   {make: func() reading.Frame { f := good(reading.Reading, 2); f.Worker = 3; return f }, want: "worker 3"},
		"type is not band":   {make: func() reading.Frame { return good(reading.Reading, 2) }, as: 4, want: "band 1"},
		"type beyond bands":  {make: func() reading.Frame { return good(reading.Reading, 2) }, as: 1 << 30, want: "band 1"},
		"reading as alert":   {make: func() reading.Frame { return good(reading.Reading, 2) }, to: "urgent", want: "reading"},
		"alert as reading":   {make: func() reading.Frame { return good(reading.Alert, 2) }, want: "alert"},
		"ack as reading":     {make: func() reading.Frame { return good(reading.Ack, 2) }, want: "acknowledgement"},
		"empty message":      {make: func() reading.Frame { return good(reading.Reading, 2) }, size: -1, want: "0 bytes"},
		"one byte too many":  {make: func() reading.Frame { return good(reading.Reading, 2) }, size: 65, want: "65 bytes"},
		"as large as can be": {make: func() reading.Frame { return good(reading.Reading, 2) }, size: 8192, want: "8192 bytes"},
		"sent twice":         {make: func() reading.Frame { return good(reading.Reading, 1) }, want: "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, 16384, 16384)
			r := l.receiver()
			var buf [8192]byte
			send := func(f reading.Frame, size int, as int64) {
				n, err := f.Encode(buf[:])
				must(t, err)
				if size != 0 {
					n = max(size, 0)
				}
				if as == 0 {
					as = int64(f.Band)
				}
				q := l.routine
				if c.to == "urgent" {
					q = l.urgent
				}
				must(t, q.TrySend(typeOf(as), buf[:n]))
			}
			if c.to == "" {
				send(good(reading.Reading, 1), 0, 0)
				next(t, r)
			}
			send(c.make(), c.size, c.as)
			empty(t, r)
			if len(l.rejected) != 1 || !strings.Contains(l.rejected[0].Error(), c.want) {
				t.Errorf("rejected %v", l.rejected)
			}
			if counts := r.Counts(); len(counts) != 1 || counts[0].Dropped != 1 {
				t.Errorf("%+v", counts)
			}
		})
	}
}

func TestForgedEpochsAndNumbersCostLittle(t *testing.T) {
	if !private(t) {
		return
	}
	l := newLine(t, 16384, 16384)
	r := l.receiver()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var buf [64]byte
	for range 20_000 {
		f := reading.Frame{Kind: reading.Reading, Band: 1, Worker: me, Epoch: rng.Uint32N(40), Seq: 1 + rng.Uint64()/2}
		n, err := f.Encode(buf[:])
		must(t, err)
		must(t, l.routine.TrySend(1, buf[:n]))
		next(t, r)
	}
	if n := len(r.Counts()); n > 8 {
		t.Errorf("%d epochs are remembered", n)
	}
}
