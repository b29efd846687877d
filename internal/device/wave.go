package device

import (
	"math"
	"time"

	"sallyport/internal/config"
)

// waveAt returns the value of a wave so long after its beginning.
func waveAt(s config.Sim, elapsed time.Duration) float64 {
	phase := elapsed % s.Period
	if phase < 0 { // the clock went back
		phase += s.Period
	}
	switch s.Wave {
	case "sine":
		return (s.Min+s.Max)/2 + (s.Max-s.Min)/2*math.Sin(2*math.Pi*float64(phase)/float64(s.Period))
	case "square":
		if phase < s.Period/2 {
			return s.Min
		}
		return s.Max
	case "pulse":
		if phase >= s.After && phase < s.After+s.For {
			return s.Max
		}
	}
	return s.Min
}
