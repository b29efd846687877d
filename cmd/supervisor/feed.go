package main

import (
	"context"
	"time"

	"sallyport/internal/control"
)

// feedTick is how often simulated inputs get a new value and outputs are looked
// at: a tenth of what a person notices.
const feedTick = 100 * time.Millisecond

// feed drives what is simulated until ctx ends. Without a simulated device it
// has nothing to wake up for.
func (s *supervisor) feed(ctx context.Context) {
	var outputs []string
	simulated := false
	for _, conf := range s.now().cfg.Devices {
		simulated = simulated || conf.Kind == "sim"
		// A line would have to be asked for its value; nobody waits for that.
		if conf.Kind == "sim" && conf.Output && s.now().inputs.devices[conf.Name] != nil {
			outputs = append(outputs, conf.Name)
		}
	}
	if !simulated {
		return
	}
	ticks := time.NewTicker(feedTick)
	defer ticks.Stop()
	for now := time.Now(); ; {
		for name, d := range s.now().inputs.devices {
			if err := d.Step(now); err != nil {
				s.log.Error("simulated input", "device", name, "error", err)
			}
		}
		for _, name := range outputs {
			value, err := s.now().inputs.devices[name].Value()
			if err != nil || value == s.switched[name] {
				continue
			}
			s.switched[name] = value
			s.hub.Publish(control.Output{Device: name, Value: value})
		}
		select {
		case h := <-s.haltFeed:
			h.here(ctx)
		case <-ctx.Done():
			return
		case now = <-ticks.C:
		}
	}
}
