package lane_test

import (
	"testing"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

// Two senders and two receivers share a pair of queues: each frame is taken by
// one of the receivers, an alert is acknowledged by whoever took it, and nobody
// speaks of gaps. A program that is no worker can join in.
func TestSharedQueue(t *testing.T) {
	if !private(t) {
		return
	}
	create := func() *sysvctl.Queue {
		q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
		must(t, err)
		return q
	}
	urgent, routine := create(), create()
	acks := map[uint32]*sysvctl.Queue{1: create(), 2: create()}
	sender := func(id uint32) *lane.Sender {
		s, err := lane.NewSender(lane.SenderConfig{Worker: id, Epoch: 1, Outs: []lane.Out{
			{Queue: "readings", To: lane.Anyone, Urgent: int32(urgent.ID()), Routine: int32(routine.ID()), Ack: int32(acks[id].ID()),
				Bands: map[string]uint16{alerts: 1, regular: 5}},
			{Queue: "readings", To: lane.Anyone, Urgent: lane.NoLane, Routine: lane.NoLane, Ack: lane.NoLane, Bands: map[string]uint16{alerts: 1, regular: 5}},
		}})
		must(t, err)
		return s
	}
	receiver := func(id uint32) *lane.Receiver {
		var ins []lane.In
		for _, from := range []uint32{1, 2, lane.Anyone} {
			ack := lane.NoLane
			if acks[from] != nil {
				ack = int32(acks[from].ID())
			}
			ins = append(ins, lane.In{Queue: "readings", From: from, Urgent: int32(urgent.ID()), Routine: int32(routine.ID()), Ack: ack})
		}
		r, err := lane.NewReceiver(lane.ReceiverConfig{Worker: id, Ins: ins})
		must(t, err)
		return r
	}
	first, second, left, right := sender(1), sender(2), receiver(8), receiver(9)
	for i := range 4 {
		must(t, first.Reading(7, regular, float64(i), ""))
		must(t, second.Reading(7, regular, float64(i), ""))
	}
	must(t, second.Alert(7, alerts, 99, "", ""))
	if got := next(t, left).Frame; got.Value != 99 || got.Worker != 2 {
		t.Errorf("%+v", got)
	}
	left.Acted()
	if second.Tick(); second.Waiting() != 0 {
		t.Error("the word of whoever took it is not believed")
	}
	for i := range 8 {
		if got := next(t, []*lane.Receiver{left, right}[i%2]).Frame; got.Value != float64(i/2) || got.Worker != uint32(1+i%2) {
			t.Errorf("reading %d: %+v", i, got)
		}
	}
	// A program from outside: another number than any worker's, the same frame twice.
	f := reading.Frame{Kind: reading.Reading, Band: 5, Worker: 4711, Sensor: 1, Epoch: 1, Seq: 1, Value: 5}
	var buf [reading.Size]byte
	n, err := f.Encode(buf[:])
	must(t, err)
	for range 2 {
		must(t, routine.TrySend(5, buf[:n]))
		if got := next(t, right).Frame; got.Worker != 4711 || got.Value != 5 {
			t.Errorf("from outside: %+v", got)
		}
	}
	left.Acted()
	right.Acted()
	taken := map[uint32]uint64{}
	for _, r := range []*lane.Receiver{left, right} {
		for _, c := range r.Counts() {
			taken[c.Peer] += c.Taken
			if c.Gaps != 0 || c.Dropped != 0 {
				t.Errorf("%+v", c)
			}
		}
	}
	if taken[1] != 4 || taken[2] != 5 || taken[lane.Anyone] != 2 {
		t.Errorf("taken %v", taken)
	}
}
