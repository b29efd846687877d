package main

import (
	"context"
	"time"

	"sallyport/internal/control"
)

// feedTick is how often simulated outputs are looked at: a tenth of what a person
// notices.
const feedTick = 100 * time.Millisecond

// feed drives what is simulated until ctx ends, from one setup to the next.
func (s *supervisor) feed(ctx context.Context) {
	for ctx.Err() == nil {
		s.feedOf(ctx, s.now(), s.switched)
	}
}

// feedOf does so for one setup. It sleeps until the next value is due: an input
// whose pulse comes once an hour costs nothing in between.
func (s *supervisor) feedOf(ctx context.Context, st *setup, values map[string]int) {
	for {
		wait := time.Hour
		now := time.Now()
		for name, d := range st.inputs.devices {
			if err := d.Step(now); err != nil {
				s.log.Error("simulated input", "device", name, "error", err)
			}
			if rests, changes := d.Rests(now); changes {
				wait = min(wait, rests)
			}
		}
		if s.lookAtOutputs(st, values) {
			wait = min(wait, feedTick)
		}
		due := time.NewTimer(wait)
		select {
		case <-due.C:
			continue
		case <-st.replaced:
		case h := <-s.haltFeed:
			h.here(ctx)
		case <-ctx.Done():
		}
		due.Stop()
		return
	}
}

// lookAtOutputs says what workers switched, and whether there is anything that
// they could switch.
func (s *supervisor) lookAtOutputs(st *setup, values map[string]int) (any bool) {
	for _, conf := range st.cfg.Devices {
		d := st.inputs.devices[conf.Name]
		// A line would have to be asked for its value; nobody waits for that.
		if conf.Kind != "sim" || !conf.Output || d == nil {
			continue
		}
		any = true
		value, err := d.Value()
		if err != nil || value == values[conf.Name] {
			continue
		}
		values[conf.Name] = value
		s.hub.Publish(control.Output{Device: conf.Name, Value: value})
	}
	return any
}
