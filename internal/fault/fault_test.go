package fault_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"sallyport/internal/fault"
)

// TestPlan runs this test again with a plan: with the build tag the process
// dies at the second hit, without it nothing happens.
func TestPlan(t *testing.T) {
	if os.Getenv("SALLYPORT_FAULT") != "" {
		if fault.On("leak-fd") != fault.Enabled || fault.On("other") {
			t.Error("switches")
		}
		for range 3 {
			fault.Point("P3")
		}
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestPlan$")
	cmd.Env = append(os.Environ(), "SALLYPORT_FAULT=P3=kill:3,leak-fd=on")
	out, err := cmd.CombinedOutput()
	if killed := err != nil && err.Error() == "signal: killed"; killed != fault.Enabled {
		t.Errorf("built with failpoints: %v; the child ended with %v\n%s", fault.Enabled, err, out)
	}
	fault.Point("P1")
	if hits := fault.Hits("P1"); (hits == 1) != fault.Enabled {
		t.Errorf("%d hits", hits)
	}
	if !fault.Enabled {
		return
	}
	cmd = exec.Command("/proc/self/exe", "-test.run=^TestPlan$")
	cmd.Env = append(os.Environ(), "SALLYPORT_FAULT=P3=kil")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), `"P3=kil": not NAME=kill`) {
		t.Errorf("a plan that cannot be read: %v\n%s", err, out)
	}
}
