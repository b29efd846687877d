//go:build integration

package integration_test

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestSummaryCountsLeaks: the zeros of the summary are counted. A supervisor
// built with failpoints forgets to close something, and the figure is not zero.
func TestSummaryCountsLeaks(t *testing.T) {
	for switched, count := range map[string]func(summary) *int{
		"leak-fd":    func(s summary) *int { return s.LeakedFDs },
		"leak-queue": func(s summary) *int { return s.LeakedQueues },
	} {
		t.Run(switched, func(t *testing.T) {
			leftovers(t) // what it forgets goes with it all the same
			cmd := exec.Command(built(t, "build/integration/fault/sallyport"), "demo", "--json", "--for", "8s")
			cmd.Env = append(os.Environ(), "SALLYPORT_FAULT="+switched+"=on")
			last := follow(t, cmd).last(20 * time.Second)
			if cmd.ProcessState.Success() {
				t.Error("a demo that leaks ends as if it were healthy")
			}
			if n := figure(t, switched, count(last.summary)); n < 1 {
				t.Errorf("with %s the summary says %d, want at least 1", switched, n)
			}
		})
	}
}
