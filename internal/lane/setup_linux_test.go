package lane_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

// line is one sender and one receiver with three lanes and a bell, under a
// clock that stands until the test moves it.
type line struct {
	t                    *testing.T
	urgent, routine, ack *sysvctl.Queue
	bellR, bellW         *os.File
	clock                atomic.Int64
	seen                 []lane.Seen
	rejected             []error
	lost                 []reading.Frame
}

const (
	me      = 1 // the sender
	peer    = 2 // the receiver
	alerts  = "alert"
	regular = "reading"
	slow    = "bulk"
)

func newLine(t *testing.T, urgentBytes, routineBytes uint64) *line {
	t.Helper()
	l := &line{t: t}
	l.clock.Store(int64(time.Hour))
	for q, size := range map[**sysvctl.Queue]uint64{&l.urgent: urgentBytes, &l.routine: routineBytes, &l.ack: 8192} {
		var err error
		if *q, err = sysvctl.Create(sysvctl.Private, sysvctl.Options{QBytes: size}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if l.bellR, l.bellW, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *line) now() (boottime, wall int64) { n := l.clock.Load(); return n, n }

func (l *line) sender(epoch uint32) *lane.Sender {
	l.t.Helper()
	s, err := lane.NewSender(lane.SenderConfig{
		Worker: me, Epoch: epoch, Now: l.now,
		Outs: []lane.Out{{
			Queue: "readings", To: peer, Urgent: int32(l.urgent.ID()), Routine: int32(l.routine.ID()), Ack: int32(l.ack.ID()),
			Bell: "bell.peer", Bands: map[string]uint16{alerts: 1, regular: 5, slow: 9},
		}},
		Bells: map[string]*os.File{"bell.peer": l.bellW},
		Lost:  func(_ uint32, f reading.Frame) { l.lost = append(l.lost, f) },
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

func (l *line) config() lane.ReceiverConfig {
	return lane.ReceiverConfig{
		Worker: peer, Now: l.now, Bell: l.bellR,
		Ins:      []lane.In{{Queue: "readings", From: me, Urgent: int32(l.urgent.ID()), Routine: int32(l.routine.ID()), Ack: int32(l.ack.ID())}},
		Seen:     func(s lane.Seen) { l.seen = append(l.seen, s) },
		Rejected: func(_ uint32, err error) { l.rejected = append(l.rejected, err) },
	}
}

func (l *line) receiver() *lane.Receiver {
	l.t.Helper()
	r, err := lane.NewReceiver(l.config())
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// next returns the next item, or fails.
func next(t *testing.T, r *lane.Receiver) lane.Item {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	item, err := r.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// empty fails when the receiver has another item.
func empty(t *testing.T, r *lane.Receiver) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if item, err := r.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v, %v, want nothing", item, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func private(t *testing.T) bool { return testenv.PrivateIPC(t) }
