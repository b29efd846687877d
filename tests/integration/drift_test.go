//go:build integration

package integration_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestDriftEndsWorker: the proof is taken again while a worker runs. A
// supervisor built with failpoints expects one filter more from then on, as if
// the kernel showed another state, and ends the worker in words.
func TestDriftEndsWorker(t *testing.T) {
	leftovers(t)
	cmd := exec.Command(built(t, "build/integration/fault/sallyport"), "demo", "--json", "--for", "8s")
	cmd.Env = append(os.Environ(), "SALLYPORT_FAULT=drift=on")
	d := follow(t, cmd)
	d.last(20 * time.Second)
	for _, x := range d.of("exited") {
		if strings.Contains(x.Reason, "drift") && strings.Contains(x.Reason, "Seccomp_filters") {
			return
		}
	}
	t.Errorf("no worker was ended for drift: %+v", d.of("exited"))
}
