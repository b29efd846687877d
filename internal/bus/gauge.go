package bus

import (
	"time"

	"sallyport/pkg/sysvctl"
)

// Mark says when a lane counts as flooded: Percent of its size or more are in
// use for For without a break, although its receiver goes on taking. The zero
// value is never.
type Mark struct {
	Percent int
	For     time.Duration
}

// Step is how far the bus has gone against the flooding of one lane.
type Step uint8

// Steps in the order in which they are taken. Calm leads to Throttled, Throttled
// to Revoked, Revoked after a rest to Probation, and Probation to Quarantined:
// each when the lane was over its mark for its time. Stalled is no step of them:
// the lane is as full, but its receiver takes nothing, which is not the sender's
// doing.
const (
	Calm Step = iota
	Throttled
	Revoked
	Probation
	Quarantined
	Stalled
)

var stepNames = [...]string{"released", "throttled", "revoked", "reopened", "quarantined", "stalled"}

func (s Step) String() string {
	if int(s) < len(stepNames) {
		return stepNames[s]
	}
	return "unknown step"
}

// After this many times its time below the mark a throttled lane is itself
// again, and so long a lane stays revoked.
const (
	calmTimes = 2
	restTimes = 2
)

// sample is a lane at one moment.
type sample struct {
	bytes, messages, limit uint64
	received               time.Time // of the last receive, in whole seconds (msg_rtime)
	frame                  uint64    // the largest that belongs in it
	watched                bool      // both ends are ready, and no operator has closed it
}

func sampleOf(r *row, st sysvctl.Stat, up bool) sample {
	frames := r.kind.frames()
	return sample{bytes: st.Bytes, messages: st.Messages, limit: st.QBytes, received: st.Received,
		frame: uint64(frames[len(frames)-1]), watched: up && len(r.ready) > 0 && !r.held && st.QBytes > 0}
}

func (s sample) over(percent int) bool {
	used := max(s.bytes, s.messages)
	return used*100 >= s.limit*uint64(percent) || used+s.frame > s.limit
}

// gauge judges one lane by its samples. It makes no system call and reads no
// clock.
type gauge struct {
	mark   Mark
	gentle bool // a tap: the supervisor may be the slow one, so nobody is quarantined for it

	step    Step
	stalled bool      // it was said
	since   time.Time // so long on the same side of the mark without a break
	over    bool      // which side that is
	taken   time.Time // msg_rtime at since
	took    bool      // the receiver took something in this stretch
}

// look takes a sample and says whether a step is due, and which.
func (g *gauge) look(now time.Time, s sample) (Step, bool) {
	switch {
	case g.mark.Percent == 0 || g.step == Quarantined:
		return g.step, false
	case g.step == Revoked:
		if now.Sub(g.since) < restTimes*g.mark.For {
			return g.step, false
		}
		return g.climb(Probation, now, s)
	case !s.watched:
		g.turn(now, s, false)
		return g.step, false
	}
	if over := s.over(g.mark.Percent); over != g.over || g.since.IsZero() {
		g.turn(now, s, over)
	}
	lasted := now.Sub(g.since)
	g.took = g.took || !s.received.Equal(g.taken)
	switch {
	case !g.over && g.step != Calm && lasted >= calmTimes*g.mark.For:
		return g.climb(Calm, now, s)
	case !g.over || lasted < g.mark.For:
		return g.step, false
	case !g.took:
		said := g.stalled
		g.stalled = true
		return Stalled, !said
	case g.stalled: // it takes again: the sender has its time from now
		g.turn(now, s, true)
		g.stalled, g.took = false, true
		return g.step, false
	case g.step == Calm:
		return g.climb(Throttled, now, s)
	case g.step == Probation && !g.gentle:
		return g.climb(Quarantined, now, s)
	}
	return g.climb(Revoked, now, s)
}

func (g *gauge) climb(to Step, now time.Time, s sample) (Step, bool) {
	g.step = to
	g.turn(now, s, false)
	return to, true
}

// turn begins a new stretch of time on one side of the mark.
func (g *gauge) turn(now time.Time, s sample, over bool) {
	g.since, g.over, g.taken, g.took = now, over, s.received, false
	if !over {
		g.stalled = false
	}
}

// forgive forgets everything: somebody has looked.
func (g *gauge) forgive() { *g = gauge{mark: g.mark, gentle: g.gentle} }
