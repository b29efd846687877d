//go:build fault

package kill_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/pkg/scmrights"
	"sallyport/tests/kill"
	"sallyport/tests/results"
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

// TestFindings: a mistake in either process is found, as what it is.
func TestFindings(t *testing.T) {
	for sabotage, count := range map[string]func(*kill.Tally) int{
		"leak-fd=on": func(y *kill.Tally) int { return y.Leaked }, // the ledger's own switch
		"forget=on":  func(y *kill.Tally) int { return y.Leaked },
		"lose=on":    func(y *kill.Tally) int { return y.Lost },
		"deaf=on":    func(y *kill.Tally) int { return y.Stuck },
	} {
		t.Run(sabotage, func(t *testing.T) {
			tally, err := kill.Run(kill.Config{Actor: actor, Stderr: os.Stderr, Sabotage: sabotage, Patience: 300 * time.Millisecond,
				Plan: func(n uint64) (kill.History, bool) { return kill.Random(1, n), n < 20 }})
			if err != nil {
				t.Fatal(err)
			}
			if count(tally) == 0 {
				t.Errorf("not found; what was: %q", tally.Words)
			}
		})
	}
}

// TestRandomKills plays random histories until N processes were killed. With
// RESULTS it adds what came of it to that file, and with RESUME it goes on where
// the file's last run of the same SEED ended.
func TestRandomKills(t *testing.T) {
	seed, points := setting(t, "SEED", uint64(time.Now().UnixNano())), int(setting(t, "N", 300))
	from, file := uint64(0), os.Getenv("RESULTS")
	if os.Getenv("RESUME") != "" {
		runs, err := results.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if r.Value("seed") == fmt.Sprint(seed) && r.Value("next") != "" {
				if from, err = strconv.ParseUint(r.Value("next"), 10, 64); err != nil {
					t.Fatalf("%s: next: %v", file, err)
				}
			}
		}
	}
	t.Logf("SEED=%d N=%d from history %d", seed, points, from)
	began := time.Now()
	tally := play(t, kill.Config{From: from, Points: points, Limit: 10,
		Plan: func(n uint64) (kill.History, bool) { return kill.Random(seed, n), true }})
	everyPoint(t, tally)
	if file == "" {
		return
	}
	r := results.New(fmt.Sprintf("make kill-scmrights N=%d SEED=%d", points, seed), began)
	for _, l := range []struct {
		key   string
		value any
	}{
		{"seed", seed}, {"from", from}, {"next", tally.Next}, {"points", tally.Points}, {"lost", tally.Lost}, {"leaked", tally.Leaked},
		{"stuck", tally.Stuck}, {"other", tally.Other}, {"resent", tally.Resent}, {"revoked", tally.Revoked}, {"hits", words(tally.Hits)},
	} {
		r.Add(l.key, l.value)
	}
	if err := results.Append(file, r); err != nil {
		t.Fatal(err)
	}
	runs, err := results.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := func(key string) int { return results.Total(runs, key) }
	t.Logf("%s: %d runs, %d points, %d lost, %d leaked, %d stuck, %d other", file, len(runs), sum("points"), sum("lost"), sum("leaked"), sum("stuck"), sum("other"))
}

// setting is a number out of the environment.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func everyPoint(t *testing.T, tally *kill.Tally) {
	t.Helper()
	for _, point := range append(kill.ParentPoints, kill.WorkerPoints...) {
		if tally.Hits[point] == 0 {
			t.Errorf("nobody died at %s", point)
		}
	}
}

// words is "P2 31 P3 28 ...", in the order of the protocol.
func words(hits map[string]int) string {
	var all []string
	for _, point := range slices.Sorted(maps.Keys(hits)) {
		all = append(all, fmt.Sprintf("%s %d", point, hits[point]))
	}
	return strings.Join(all, " ")
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
	t.Logf("%d histories, %d killed in %v (%.0f a second), %d descriptors sent again, %d revoked: %s", tally.Next-tally.From, tally.Points,
		tally.Took.Round(time.Millisecond), float64(tally.Points)/tally.Took.Seconds(), tally.Resent, tally.Revoked, words(tally.Hits))
	return tally
}

// TestEveryPairOfPoints is exhaustive: every failpoint of either side, in every
// mode, also while the first OFFER is cut and sent again, and REVOKE of what was
// lent; and every two of the points: with OFFERS offers in every mode, without it with
// one and in the mode that has the most steps.
func TestEveryPairOfPoints(t *testing.T) {
	all := kill.Exhaustive(int(setting(t, "OFFERS", 1)), func(m scmrights.Mode) bool {
		return m == scmrights.ModeExclusive || os.Getenv("OFFERS") != ""
	})
	tally := play(t, kill.Config{Plan: func(n uint64) (kill.History, bool) {
		if n >= uint64(len(all)) {
			return kill.History{}, false
		}
		return all[n], true
	}})
	everyPoint(t, tally)
	if tally.Resent == 0 || tally.Revoked == 0 {
		t.Errorf("%d descriptors were sent again, %d revoked", tally.Resent, tally.Revoked)
	}
}
