package lane

import (
	"math"
	"time"

	"sallyport/internal/reading"
)

const (
	// windowLength is counted from the alert; a receiver that takes readings in
	// rounds needs the next round as well to know what waited.
	windowLength = time.Second
	maxWindows   = 64 // alerts watched at a time; more are reported at once
)

// windows counts, for some time after each alert, the routine frames that are
// older than the alert and were taken after it: those it overtook.
type windows struct {
	list  []window
	round time.Duration // RoutineEvery of the receiver
}

type window struct {
	seen     Seen
	boottime int64 // of the alert, ns
	ends     int64
}

func (w *windows) open(from uint32, f *reading.Frame, now int64) {
	age := max(now-f.Boottime, 0) / int64(time.Microsecond)
	ends := now + int64(windowLength+w.round)
	if len(w.list) >= maxWindows {
		w.list[0].ends = now // ended by the next look
	}
	w.list = append(w.list, window{
		seen:     Seen{Seq: f.Seq, From: from, Sensor: f.Sensor, LatencyUS: uint32(min(age, math.MaxUint32))},
		boottime: f.Boottime, ends: ends,
	})
}

func (w *windows) routine(boottime int64) {
	for i := range w.list {
		if boottime < w.list[i].boottime {
			w.list[i].seen.Overtook++
		}
	}
}

// ended takes away and returns those whose time is over.
func (w *windows) ended(now int64) []Seen {
	var over []Seen
	kept := w.list[:0]
	for _, x := range w.list {
		if x.ends <= now {
			over = append(over, x.seen)
		} else {
			kept = append(kept, x)
		}
	}
	w.list = kept
	return over
}

func (w *windows) all() []Seen { return w.ended(math.MaxInt64) }

// earliest is the end of the window that ends first, or limit.
func (w *windows) earliest(limit int64) int64 {
	for _, x := range w.list {
		limit = min(limit, x.ends)
	}
	return limit
}
