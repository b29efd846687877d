package main

import (
	"testing"

	"sallyport/internal/lane"
)

// TestTallyAddsUp plays the reports of a sender and of three processes of a
// receiver: what is dropped is not lost, a gap beyond the drops is, and what a
// killed receiver had in hand shows in its successor's first number.
func TestTallyAddsUp(t *testing.T) {
	const sender, receiver = 1, 2
	got := newTally()
	took := func(c lane.Count) { c.Peer, c.Epoch = sender, 1; got.report(receiver, c) }
	got.report(sender, lane.Count{Peer: receiver, Role: lane.RoleSender, Epoch: 1, Last: 100, Dropped: 4})
	got.report(sender, lane.Count{Peer: 0, Role: lane.RoleSender, Epoch: 1, Last: 100, Dropped: 50}) // the tap
	took(lane.Count{First: 1, Last: 30, Gaps: 4, Taken: 26})
	took(lane.Count{First: 1, Last: 40, Gaps: 6, Taken: 34})
	got.ended(receiver)
	took(lane.Count{First: 44, Last: 60, Taken: 17})
	got.ended(receiver)
	got.ended(receiver) // it never spoke: nothing changes
	took(lane.Count{First: 61, Last: 99, Gaps: 1, Taken: 38})
	sum := got.summary()
	if sum.Dropped != 4 || sum.Lost != 3 || sum.InFlightLost != 3 {
		t.Errorf("dropped %d, lost %d, in flight %d; want 4, 3, 3", sum.Dropped, sum.Lost, sum.InFlightLost)
	}
}

// TestTallyNewSenderEpoch: a restarted sender counts from 1 again, which is no
// loss in the hand of anybody.
func TestTallyNewSenderEpoch(t *testing.T) {
	got := newTally()
	got.report(2, lane.Count{Peer: 1, Epoch: 1, First: 1, Last: 10})
	got.ended(2)
	got.report(2, lane.Count{Peer: 1, Epoch: 2, First: 40, Last: 50})
	got.report(2, lane.Count{Peer: 1, Epoch: 3, First: 1, Last: 5, Gaps: 1})
	got.report(2, lane.Count{Peer: 1, Epoch: 4, First: 1, Last: 5})
	if sum := got.summary(); sum.Lost != 1 || sum.InFlightLost != 0 {
		t.Errorf("lost %d, in flight %d; want 1 and 0", sum.Lost, sum.InFlightLost)
	}
}
