package main

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/bus"
	"sallyport/internal/control"
	"sallyport/internal/monitor"
)

// watch looks at the depth of the lanes until ctx ends, and acts against those
// who keep theirs full. Without a lane that has a mark it has nothing to wake up
// for until a reload brings one.
func (s *supervisor) watch(ctx context.Context) error {
	for {
		st := s.now()
		var due <-chan time.Time
		if every := st.bus.WatchEvery(); every > 0 {
			due = time.After(every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.stopping:
			<-ctx.Done() // full lanes are what a stop leaves
			return nil
		case <-st.replaced:
		case h := <-s.haltWatch:
			h.here(ctx)
		case now := <-due:
			s.look(st, now)
		}
	}
}

func (s *supervisor) look(st *setup, now time.Time) {
	steps, err := st.bus.Watch(now)
	for _, f := range steps {
		s.flooded(st, f)
	}
	if err != nil {
		s.log.Error("watch the lanes", "error", err)
	}
}

// flooded says what was done about a lane, and has its sender quarantined when
// that was the last step.
func (s *supervisor) flooded(st *setup, f bus.Flood) {
	why := floodWords(f)
	log := s.log.Warn
	if f.Step == bus.Calm || f.Step == bus.Probation {
		log = s.log.Info
	}
	log("lane "+f.Step.String(), "lane", f.Lane, "why", why)
	s.hub.Publish(control.Flood{Worker: f.Worker, Lane: f.Lane, Step: f.Step.String(), Why: why, UsedBytes: f.Bytes, LimitBytes: f.Limit})
	if f.Step != bus.Quarantined {
		return
	}
	if w := st.worker(f.Worker); w != nil {
		w.tell(monitor.Event{Kind: monitor.Flooded, Reason: fmt.Sprintf("flooded %s: %s", f.Lane, why)})
	}
}

func floodWords(f bus.Flood) string {
	full := fmt.Sprintf("%d bytes, %d%% of the lane or more, were in use for %v", f.Bytes, f.Mark.Percent, f.Mark.For)
	switch f.Step {
	case bus.Throttled:
		return full + fmt.Sprintf(" while %s went on taking; it holds %d bytes now", f.Receiver, f.Limit)
	case bus.Revoked:
		return full + " again; the lane is closed for a while"
	case bus.Probation:
		return fmt.Sprintf("the lane is open again with %d bytes; once more, and %s is quarantined", f.Limit, f.Worker)
	case bus.Quarantined:
		return full + ", throttled and after a rest; " + f.Worker + " stays down until it is started by hand"
	case bus.Stalled:
		return full + fmt.Sprintf(" and %s took nothing: it hangs, or is too slow", f.Receiver)
	}
	return fmt.Sprintf("it was below %d%% for long enough and has its size again", f.Mark.Percent)
}
