package fault_test

import (
	"os"
	"os/exec"
	"path/filepath"
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

// TestPlanReplaced: a plan given in the middle counts from zero.
func TestPlanReplaced(t *testing.T) {
	fault.Point("P4")
	err := fault.Plan("P4=kill:2,leak-fd=on")
	if (err == nil) != fault.Enabled {
		t.Fatal(err)
	}
	if fault.Point("P4"); fault.On("leak-fd") != fault.Enabled || fault.Hits("P4") > 1 {
		t.Errorf("%d hits", fault.Hits("P4"))
	}
	if err := fault.Plan("P4=kill:0"); err == nil {
		t.Error("a kill at the hit 0 is a plan")
	}
	if err := fault.Plan(""); err != nil || fault.On("leak-fd") {
		t.Errorf("the empty plan: %v", err)
	}
}

// TestOrders runs this test again with a directory of orders: a point counts
// from when its file is there, and the file says afterwards that it was it. The
// plan for a worker is given out once.
func TestOrders(t *testing.T) {
	const key = "SALLYPORT_FAULT_DIR"
	if dir := os.Getenv(key); dir != "" {
		fault.Point("P9") // before there is an order
		if fault.Heir("a") != nil {
			t.Error("a plan from nowhere")
		}
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("worker.a", "W1=kill\n")
		if got := strings.Join(fault.Heir("a"), " "); got != "SALLYPORT_FAULT=W1=kill" || fault.Heir("a") != nil {
			t.Errorf("%q", got)
		}
		write("P9", "2")
		fault.Point("P9")
		fault.Point("P8")
		fault.Point("P9")
		return
	}
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestOrders$")
	cmd.Env = append(os.Environ(), key+"="+dir, "SALLYPORT_FAULT=tell=on")
	out, err := cmd.CombinedOutput()
	if !fault.Enabled {
		if fault.Heir("a") != nil {
			t.Error("without failpoints a plan is given out")
		}
		return
	}
	if err == nil || err.Error() != "signal: killed" || !strings.Contains(string(out), "fault: P9 of process ") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "P9.done")); err != nil {
		t.Error(err)
	}
}
