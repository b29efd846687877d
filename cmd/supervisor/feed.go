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
	type output struct {
		name  string
		value int
	}
	var outputs []output
	simulated := false
	for _, conf := range s.now().cfg.Devices {
		simulated = simulated || conf.Kind == "sim"
		// A line would have to be asked for its value; nobody waits for that.
		if conf.Kind == "sim" && conf.Output && s.now().inputs.devices[conf.Name] != nil {
			outputs = append(outputs, output{name: conf.Name})
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
		for i := range outputs {
			o := &outputs[i]
			value, err := s.now().inputs.devices[o.name].Value()
			if err != nil || value == o.value {
				continue
			}
			o.value = value
			s.hub.Publish(control.Output{Device: o.name, Value: value})
		}
		select {
		case <-ctx.Done():
			return
		case now = <-ticks.C:
		}
	}
}
