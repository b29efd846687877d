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

// sineStep is how often a sine gets a new value: 256 in a turn, but neither more
// often than a tenth of what a person notices nor less often than every second.
func sineStep(period time.Duration) time.Duration {
	return min(max(period/256, 100*time.Millisecond), time.Second)
}

// waveRests returns for how long the value at elapsed stays what it is.
func waveRests(s config.Sim, elapsed time.Duration) time.Duration {
	phase := elapsed % s.Period
	if phase < 0 {
		phase += s.Period
	}
	edges := []time.Duration{s.Period}
	switch s.Wave {
	case "sine":
		return sineStep(s.Period)
	case "square":
		edges = []time.Duration{s.Period / 2, s.Period}
	case "pulse":
		edges = []time.Duration{s.After, s.After + s.For, s.Period}
	}
	for _, edge := range edges {
		if edge > phase {
			return edge - phase
		}
	}
	return s.Period - phase
}
