package workertest

import (
	"os"
	"testing"

	"sallyport/internal/lane"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/sysvctl"
)

// Queue is the name of the queue that all lanes here belong to.
const Queue = "readings"

// Lanes is what one sender and one receiver have between them: three System V
// queues, open from the start, and the receiver's bell.
type Lanes struct {
	Urgent, Routine, Ack *sysvctl.Queue
	Listen, Ring         *os.File // the ends of the bell

	t testing.TB
}

// NewLanes makes the queues; they go with the namespace of the test's process.
func NewLanes(t testing.TB) *Lanes {
	t.Helper()
	l := &Lanes{t: t}
	for _, q := range []**sysvctl.Queue{&l.Urgent, &l.Routine, &l.Ack} {
		var err error
		if *q, err = sysvctl.Create(sysvctl.Private, sysvctl.Options{Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if l.Listen, l.Ring, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Listen.Close(); l.Ring.Close() })
	return l
}

// Out is the lanes as the sender is told of them, its bell being granted as "bell.out".
func (l *Lanes) Out(to uint32) lane.Out {
	return lane.Out{
		Queue: Queue, To: to, Bell: "bell.out", Bands: map[string]uint16{"alert": 1, "reading": 9},
		Urgent: int32(l.Urgent.ID()), Routine: int32(l.Routine.ID()), Ack: int32(l.Ack.ID()),
	}
}

// In is the lanes as the receiver is told of them.
func (l *Lanes) In(from uint32) lane.In {
	return lane.In{Queue: Queue, From: from, Urgent: int32(l.Urgent.ID()), Routine: int32(l.Routine.ID()), Ack: int32(l.Ack.ID())}
}

// Sender is the test as the sender, in epoch 1.
func (l *Lanes) Sender(id, to uint32) *lane.Sender {
	l.t.Helper()
	s, err := lane.NewSender(lane.SenderConfig{
		Worker: id, Epoch: 1, Outs: []lane.Out{l.Out(to)}, Bells: map[string]*os.File{"bell.out": l.Ring},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// Receiver is the test as the receiver.
func (l *Lanes) Receiver(id, from uint32) *lane.Receiver {
	l.t.Helper()
	r, err := lane.NewReceiver(lane.ReceiverConfig{Worker: id, Ins: []lane.In{l.In(from)}, Bell: l.Listen})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// Waiting is how many messages are in the lanes of readings and alerts.
func (l *Lanes) Waiting() (urgent, routine uint64) {
	l.t.Helper()
	count := func(q *sysvctl.Queue) uint64 {
		st, err := q.Stat()
		if err != nil {
			l.t.Fatal(err)
		}
		return st.Messages
	}
	return count(l.Urgent), count(l.Routine)
}

// GrantBells gives p's worker the write end of out's bell and the read end of
// in's, as "bell.out" and "bell"; either may be nil.
func (p *Parent) GrantBells(out, in *Lanes) {
	p.t.Helper()
	if out != nil {
		p.Grant("bell.out", scmrights.KindPipe, out.Ring)
	}
	if in != nil {
		p.Grant("bell", scmrights.KindPipe, in.Listen)
	}
}
