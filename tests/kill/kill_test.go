//go:build fault

package kill_test

import (
	"os"
	"testing"

	"sallyport/tests/kill"
)

var actor string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "kill-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if actor, err = kill.Build(dir); err != nil {
			println(err.Error())
			return 1
		}
		return m.Run()
	}())
}

// play runs histories and reports what was found, with the hits of every point.
func play(t *testing.T, cfg kill.Config) *kill.Tally {
	t.Helper()
	cfg.Actor, cfg.Stderr = actor, os.Stderr
	tally, err := kill.Run(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range tally.Words {
		t.Error(words)
	}
	t.Logf("%d histories, %d killed in %v: %v", tally.Next-tally.From, tally.Points, tally.Took, tally.Hits)
	return tally
}

// TestEveryPairOfPoints is exhaustive: every failpoint of either side, and every
// two of them, with one offer.
func TestEveryPairOfPoints(t *testing.T) {
	all := kill.Exhaustive(1)
	tally := play(t, kill.Config{Plan: func(n uint64) (kill.History, bool) {
		if n >= uint64(len(all)) {
			return kill.History{}, false
		}
		return all[n], true
	}})
	for _, point := range append(kill.ParentPoints, kill.WorkerPoints...) {
		if tally.Hits[point] == 0 {
			t.Errorf("nobody died at %s", point)
		}
	}
}
