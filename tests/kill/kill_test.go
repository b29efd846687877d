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
	seed, from, points := uint64(time.Now().UnixNano()), uint64(0), 300
	file := os.Getenv("RESULTS")
	if text := os.Getenv("SEED"); text != "" {
		seed = number(t, "SEED", text)
	}
	if text := os.Getenv("N"); text != "" {
		points = int(number(t, "N", text))
	}
	if os.Getenv("RESUME") != "" {
		runs, err := results.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if r.Value("seed") == fmt.Sprint(seed) && r.Value("next") != "" {
				from = number(t, "next", r.Value("next"))
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
		{"stuck", tally.Stuck}, {"other", tally.Other}, {"hits", hits(tally)},
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

func number(t *testing.T, name, text string) uint64 {
	t.Helper()
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

// hits is "P2 31 P3 28 ...", in the order of the protocol.
func hits(tally *kill.Tally) string {
	var words []string
	for _, point := range slices.Sorted(maps.Keys(tally.Hits)) {
		words = append(words, fmt.Sprintf("%s %d", point, tally.Hits[point]))
	}
	return strings.Join(words, " ")
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
	t.Logf("%d histories, %d killed in %v (%.0f a second): %s", tally.Next-tally.From, tally.Points, tally.Took.Round(time.Millisecond),
		float64(tally.Points)/tally.Took.Seconds(), hits(tally))
	return tally
}

// TestEveryPairOfPoints is exhaustive: every failpoint of either side, and every
// two of them, with OFFERS offers, else one.
func TestEveryPairOfPoints(t *testing.T) {
	offers := uint64(1)
	if text := os.Getenv("OFFERS"); text != "" {
		offers = number(t, "OFFERS", text)
	}
	all := kill.Exhaustive(int(offers))
	tally := play(t, kill.Config{Plan: func(n uint64) (kill.History, bool) {
		if n >= uint64(len(all)) {
			return kill.History{}, false
		}
		return all[n], true
	}})
	everyPoint(t, tally)
}
