package bus

import "time"

// Gauge judges samples of a lane of 1000 bytes for the tests.
type Gauge struct{ g gauge }

func NewGauge(m Mark, gentle bool) *Gauge { return &Gauge{gauge{mark: m, gentle: gentle}} }

// Look takes a sample: bytes in use, and the second in which the receiver took last.
func (g *Gauge) Look(now time.Time, bytes uint64, received int64, watched bool) (Step, bool) {
	return g.g.look(now, sample{bytes: bytes, limit: 1000, received: time.Unix(received, 0), frame: 64, watched: watched})
}
