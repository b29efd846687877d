package worker

import (
	"context"
	"time"

	"sallyport/internal/lane"
)

const (
	tickEvery  = 100 * time.Millisecond // alerts that are not confirmed are looked at this often
	countEvery = 5                      // ticks
	aliveEvery = 20                     // ticks: 2 s, against a heartbeat of 10 s
)

// row names one row of the counts.
type row struct {
	peer   uint32
	role   uint8
	urgent bool
	epoch  uint32
}

// beat sends alerts again, says ALIVE while the plugin has a pulse, and reports the counts that changed,
// from READY until ctx ends; then it gives the account of the worker's whole
// life. An error means that the channel is gone.
func (w *Worker) beat(ctx context.Context) error {
	said := map[row]lane.Count{}
	step := 1
	if w.sender == nil {
		step = countEvery // nothing to send again: fewer wake-ups
	}
	tick := time.NewTicker(time.Duration(step) * tickEvery)
	defer tick.Stop()
	late := false // ALIVE was due and not said
	for n := 0; ; {
		select {
		case <-ctx.Done():
			if !w.open.Load() {
				return nil
			}
			w.resend()
			return w.count(map[row]lane.Count{})
		case <-tick.C:
		}
		if !w.open.Load() {
			continue
		}
		n += step
		w.resend()
		if n%countEvery == 0 {
			if err := w.count(said); err != nil {
				return err
			}
		}
		if n%aliveEvery != 0 && !late {
			continue
		}
		if late = !w.pulse.beats(); late {
			continue
		}
		if err := w.say(lane.MsgAlive, nil); err != nil {
			return err
		}
	}
}

func (w *Worker) resend() {
	if w.sender != nil {
		w.sender.Tick()
	}
}

// count sends every row that differs from what was said of it before.
func (w *Worker) count(said map[row]lane.Count) error {
	var rows []lane.Count
	if w.sender != nil {
		rows = w.sender.Counts()
	}
	if r := w.receiver.Load(); r != nil {
		rows = append(rows, r.Counts()...)
	}
	for _, c := range rows {
		key := row{c.Peer, c.Role, c.Urgent, c.Epoch}
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
