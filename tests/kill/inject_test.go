//go:build fault

package kill_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/tests/kill"
	"sallyport/tests/results"
)

// TestInjectedErrors lets system calls of a hand-over fail, until N did.
func TestInjectedErrors(t *testing.T) {
	testenv.Need(t, "strace", kill.HasStrace(actor, t.TempDir()))
	points, seed := setting(t, "N", 12), setting(t, "SEED", uint64(time.Now().UnixNano()))
	t.Logf("SEED=%d N=%d", seed, points)
	began := time.Now()
	var injected, cases, findings uint64
	calls := map[string]int{}
	for n := uint64(0); injected < points && findings < 10; n++ {
		h, in := kill.RandomInjection(seed, n)
		hits, err := kill.Inject(actor, t.TempDir(), h, in)
		if err != nil {
			t.Errorf("case %d: %v", n, err)
			findings++
		}
		if hits > 0 {
			cases++
			injected += uint64(hits)
			calls[in.Call] += hits
		}
	}
	t.Logf("%d errors in %d hand-overs in %v: %s", injected, cases, time.Since(began).Round(time.Millisecond), words(calls))
	if points < 100 {
		return
	}
	for _, call := range kill.Calls {
		if calls[call] == 0 {
			t.Errorf("no %s failed", call)
		}
	}
	if file := os.Getenv("RESULTS"); file != "" {
		r := results.New(fmt.Sprintf("make strace-scmrights N=%d SEED=%d", points, seed), began)
		r.Add("seed", seed)
		r.Add("points", injected)
		r.Add("findings", findings)
		r.Add("hits", words(calls))
		if err := results.Append(file, r); err != nil {
			t.Fatal(err)
		}
	}
}
