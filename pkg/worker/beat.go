package worker

import (
	"context"
	"time"

	"sallyport/internal/lane"
)

const (
	tickEvery  = 100 * time.Millisecond // alerts not confirmed are looked at this often
	countEvery = 5                      // ticks
	aliveEvery = 20                     // ticks: 2 s, against a heartbeat of 10 s
)

// counted names one row of the counts.
type counted struct {
	peer   uint32
	role   uint8
	urgent bool
	epoch  uint32
}

// beat resends alerts, says ALIVE, and reports the counts that changed, until
// ctx ends. An error means that the channel is gone.
func (w *Worker) beat(ctx context.Context) error {
	said := map[counted]lane.Count{}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			// The account of the worker's whole life, after its last word.
			if w.sender != nil {
				w.sender.Tick()
			}
			return w.count(map[counted]lane.Count{})
		case <-tick.C:
		}
		if w.sender != nil {
			w.sender.Tick()
		}
		if n%countEvery == 0 {
			if err := w.count(said); err != nil {
				return err
			}
		}
		if n%aliveEvery == 0 {
			if err := w.say(lane.MsgAlive, nil); err != nil {
				return err
			}
		}
	}
}

// count sends every row that differs from what was said of it before.
func (w *Worker) count(said map[counted]lane.Count) error {
	var rows []lane.Count
	if w.sender != nil {
		rows = w.sender.Counts()
	}
	if r := w.receiver.Load(); r != nil {
		rows = append(rows, r.Counts()...)
	}
	for _, c := range rows {
		key := counted{c.Peer, c.Role, c.Urgent, c.Epoch}
		if said[key] == c {
			continue
		}
		if err := w.say(lane.MsgCount, c.Append(nil)); err != nil {
			return err
		}
		said[key] = c
	}
	return nil
}
