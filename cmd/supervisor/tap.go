package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/reading"
)

// sensor is one name under which readings travel. Its id is its place in
// supervisor.sensors plus one.
type sensor struct {
	name, unit, decode string
	attribute          bool           // the SDK reads it; else its worker makes the number itself
	worker             uint32         // that reads it
	alerted            *atomic.Uint64 // bits of the value of its last alert
	gone               bool           // no device has it since a reload
}

func (s sensor) lastAlert() float64 { return math.Float64frombits(s.alerted.Load()) }

// sensor finds a sensor by the id in a frame.
func (s *supervisor) sensor(id uint32) (sensor, bool) {
	known := s.now().sensors
	if id == 0 || int(id) > len(known) {
		return sensor{}, false
	}
	return known[id-1], true
}

// tap is the supervisor's own subscription: fixed frames of every sender become
// events. It is the only thing of a reading that the parent looks at. A reload
// makes it go on with the lanes of the next setup.
func (s *supervisor) tap(ctx context.Context) error {
	for {
		st := s.now()
		turn, cancel := context.WithCancel(ctx)
		var asked *halt
		looked := make(chan struct{})
		go func() {
			defer close(looked)
			select {
			case <-st.replaced:
			case asked = <-s.haltTap:
			case <-turn.Done():
			}
			cancel()
		}()
		err := s.tapOf(turn, st)
		cancel()
		<-looked
		if asked != nil {
			asked.here(ctx)
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// tapOf listens to the lanes of one setup.
func (s *supervisor) tapOf(ctx context.Context, st *setup) error {
	if !slices.ContainsFunc(st.cfg.Workers, sends) {
		<-ctx.Done() // there is no lane to listen to
		return nil
	}
	lanes := st.bus.Tap()
	for {
		item, err := lanes.Receive(ctx)
		switch {
		case err == nil:
			s.frame(&item.Frame)
			if ctx.Err() == nil {
				continue
			}
			return nil
		case ctx.Err() != nil, errors.Is(err, context.Canceled):
			return nil
		case s.isStopped(err):
			<-ctx.Done() // the lanes are gone, in order
			return nil
		}
		return fmt.Errorf("tap lanes: %w", err)
	}
}

func sends(w config.Worker) bool {
	return slices.ContainsFunc(w.Queues, func(q config.WorkerQueue) bool { return len(q.Send) > 0 })
}

func (s *supervisor) frame(f *reading.Frame) {
	sensor, known := s.sensor(f.Sensor)
	if !known || sensor.worker != f.Worker || math.IsNaN(f.Value) || math.IsInf(f.Value, 0) {
		s.log.Debug("frame dropped", "worker", f.Worker, "sensor", f.Sensor, "value", f.Value)
		return
	}
	if f.Kind == reading.Alert {
		sensor.alerted.Store(math.Float64bits(f.Value))
		s.tally.alert()
		s.hub.Publish(control.Raised{Sensor: sensor.name, Value: f.Value, Unit: sensor.unit})
		return
	}
	s.tally.reading()
	s.hub.Publish(control.Reading{Sensor: sensor.name, Value: f.Value, Unit: sensor.unit, Seq: f.Seq})
}

// isStopped says whether an error of the lanes is the ordered stop's doing.
func (s *supervisor) isStopped(err error) bool {
	if err == nil {
		return false
	}
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}
