package killsup

import (
	"slices"
	"time"
)

// Tally is what came of some lives.
type Tally struct {
	Lives       int
	Supervisors int // killed
	Workers     int // killed
	Checks      int // complete looks at a state that should be good
	Missed      int // points that were not reached, so that another death was given
	Torn        int // day files whose last line was cut
	Hits        map[string]int
	Restarts    []float64 // ms from the start of a supervisor until all its workers are ready
	Recoveries  []float64 // ms from the death of a worker until all are ready
	Endings     []float64 // ms from the death of a supervisor until nothing is left
	Findings    []string
}

func (t *Tally) hit(point string) {
	if t.Hits == nil {
		t.Hits = map[string]int{}
	}
	t.Hits[point]++
}

// Add adds what another lane, or a later life, found.
func (t *Tally) Add(o Tally) {
	t.Lives += o.Lives
	t.Supervisors += o.Supervisors
	t.Workers += o.Workers
	t.Checks += o.Checks
	t.Missed += o.Missed
	t.Torn += o.Torn
	for point, n := range o.Hits {
		if t.Hits == nil {
			t.Hits = map[string]int{}
		}
		t.Hits[point] += n
	}
	t.Restarts = append(t.Restarts, o.Restarts...)
	t.Recoveries = append(t.Recoveries, o.Recoveries...)
	t.Endings = append(t.Endings, o.Endings...)
	t.Findings = append(t.Findings, o.Findings...)
}

// Quantile is the value below which the share q of all lies; 0 of none.
func Quantile(all []float64, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
