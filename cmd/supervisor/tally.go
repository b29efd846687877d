package main

import (
	"sync"

	"sallyport/internal/control"
	"sallyport/internal/lane"
)

// laneEnd is one end of a lane: which worker reports, which is its peer, how
// urgent the lane is, whether it is the sender's end, and which process of the
// sender it is about.
type laneEnd struct {
	worker, peer uint32
	role         uint8
	urgent       bool
	epoch        uint32 // of the lane's sender
}

// position is the last report of an end, and whether its process is gone.
type position struct {
	lane.Count
	ended bool
}

// tally adds up what the workers report and what the taps saw. A report is
// cumulative for one process; the sums of ended processes are kept.
type tally struct {
	mu       sync.Mutex
	sums     control.Summary
	ends     map[laneEnd]position
	gaps     uint64 // of processes that are gone
	inFlight uint64
}

func newTally() *tally { return &tally{ends: make(map[laneEnd]position)} }

func (t *tally) reading() { t.bump(&t.sums.Readings) }
func (t *tally) alert()   { t.bump(&t.sums.Alerts) }
func (t *tally) blocked() { t.bump(&t.sums.Blocked) }
func (t *tally) regrant() { t.bump(&t.sums.Regranted) }

func (t *tally) bump(n *uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*n++
}

// report takes a COUNT of a worker. Taps are not lanes that a user relies on:
// they are left out.
func (t *tally) report(worker uint32, c lane.Count) {
	if c.Peer == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.Role == lane.RoleReceiver {
		c.Dropped = 0 // frames it refused: no loss between the two
	}
	end := laneEnd{worker, c.Peer, c.Role, c.Urgent, c.Epoch}
	before := t.ends[end]
	if before.ended && c.Role == lane.RoleReceiver && c.First > before.Last+1 {
		// What the predecessor had taken and not yet reported as acted upon
		// went down with it.
		t.inFlight += c.First - before.Last - 1
	}
	t.ends[end] = position{Count: c}
}

// ended keeps the sums of a process that is gone. Where it stood on every lane
// stays known for its successor's first report.
func (t *tally) ended(worker uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for end, p := range t.ends {
		if end.worker != worker || p.ended {
			continue
		}
		t.gaps += p.Gaps
		t.sums.Dropped += p.Dropped
		t.sums.Waited += uint64(p.Waited)
		p.Gaps, p.Dropped, p.Waited, p.ended = 0, 0, 0, true
		t.ends[end] = p
	}
}

// forget drops the positions of a worker that is no more, whose number another
// may get. The sums stay.
func (t *tally) forget(worker uint32) {
	t.ended(worker)
	t.mu.Lock()
	defer t.mu.Unlock()
	for end, p := range t.ends {
		if end.worker == worker || end.peer == worker {
			t.gaps += p.Gaps
			t.sums.Dropped += p.Dropped
			delete(t.ends, end)
		}
	}
}

// summary gives the figures so far; the leaks are the caller's to count.
func (t *tally) summary() control.Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum, gaps := t.sums, t.gaps
	for _, p := range t.ends {
		gaps += p.Gaps
		sum.Dropped += p.Dropped
		sum.Waited += uint64(p.Waited)
	}
	sum.InFlightLost = t.inFlight
	if gaps > sum.Dropped {
		sum.Lost = gaps - sum.Dropped
	}
	return sum
}
