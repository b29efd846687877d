package bus_test

import (
	"testing"
	"time"

	"sallyport/internal/bus"
)

// look is a sample: after how long, the bytes in use, when the receiver took
// last, and the step that must follow, if any.
type look struct {
	after    time.Duration
	bytes    uint64
	received int64
	step     string
}

func TestGauge(t *testing.T) {
	const s = time.Second
	throttled := []look{{0, 900, 1, ""}, {4 * s, 900, 2, ""}, {6 * s, 900, 3, "throttled"}}
	revoked := append(throttled[:3:3], look{s, 900, 4, ""}, look{10 * s, 950, 5, "revoked"})
	reopened := append(revoked[:5:5], look{19 * s, 0, 6, ""}, look{s, 0, 6, "reopened"})
	for name, c := range map[string]struct {
		gentle bool
		looks  []look
	}{
		"full for long, then quarantined": {looks: append(reopened[:7:7],
			look{0, 900, 7, ""}, look{10 * s, 900, 8, "quarantined"}, look{100 * s, 900, 9, ""})},
		"a tap is never more than closed": {gentle: true, looks: append(reopened[:7:7],
			look{0, 900, 7, ""}, look{10 * s, 900, 8, "revoked"})},
		"full, but not for long":    {looks: []look{{0, 900, 1, ""}, {9 * s, 900, 2, ""}, {s, 100, 3, ""}, {s, 900, 4, ""}, {9 * s, 900, 5, ""}}},
		"room for no frame is full": {looks: []look{{0, 940, 1, ""}, {10 * s, 937, 2, "throttled"}}},
		"below the mark":            {looks: []look{{0, 899, 1, ""}, {100 * s, 899, 2, ""}}},
		"calm again after twice the time": {looks: append(throttled[:3:3],
			look{s, 100, 4, ""}, look{20 * s, 100, 5, "released"}, look{s, 900, 6, ""}, look{10 * s, 900, 7, "throttled"})},
		"calm after the rest": {looks: append(reopened[:7:7], look{20 * s, 0, 7, "released"})},
		// Behind a receiver that takes nothing any sender's lane is full.
		"a receiver that hangs": {looks: []look{{0, 900, 1, ""}, {10 * s, 900, 1, "stalled"}, {100 * s, 900, 1, ""},
			{s, 900, 2, ""}, {9 * s, 900, 2, ""}, {s, 900, 2, "throttled"}}},
		"a receiver that hangs twice": {looks: []look{{0, 900, 1, ""}, {10 * s, 900, 1, "stalled"}, {s, 100, 2, ""},
			{s, 900, 2, ""}, {10 * s, 900, 2, "stalled"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := bus.NewGauge(bus.Mark{Percent: 90, For: 10 * s}, c.gentle)
			now := time.Unix(0, 0)
			for i, l := range c.looks {
				now = now.Add(l.after)
				got := ""
				if step, due := g.Look(now, l.bytes, l.received, true); due {
					got = step.String()
				}
				if got != l.step {
					t.Fatalf("look %d: %q, want %q", i, got, l.step)
				}
			}
		})
	}
}

// While one of the ends is not ready, or an operator has closed the lane, it is
// nobody's flood; and without a mark it never is.
func TestGaugeLooksAway(t *testing.T) {
	for name, g := range map[string]*bus.Gauge{
		"not watched": bus.NewGauge(bus.Mark{Percent: 90, For: time.Second}, false),
		"no mark":     bus.NewGauge(bus.Mark{}, false),
	} {
		for i := range int64(100) {
			if step, due := g.Look(time.Unix(i, 0), 1000, i, name == "no mark"); due {
				t.Errorf("%s: %v after %d s", name, step, i)
			}
		}
	}
}
