//go:build machine

package pi_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A fridge that gets warm for 20 of every 24 seconds, and a lamp on a real line. A
// worker that was killed stays down for 10 s, so that it is seen what its line is
// then.
const house = `
supervisor {
  name    = "pi"
  ids     = "20000-20099"
  waive   = ["landlock", "cgroup-memory"]
  control = "/run/pi.sock"
}
device "fridge" {
  sim = { wave = "pulse", period = "24s", after = "1s", for = "20s", min = 4, max = 9 }
}
device "lamp" {
  gpio   = { chip = "pinctrl-bcm2835", line = "GPIO17" }
  output = true
  safe   = 0
}
queue "readings" {
  urgent {
    bands = { alert = 1 }
    bytes = "8KiB"
  }
  routine {
    bands = { reading = 9 }
    bytes = "8KiB"
  }
}
worker "sampler" {
  command  = ["sampler"]
  settings = { every = "500ms", alert = "fridge > 8" }
  devices  = ["fridge"]
  policy   = "sensor-read"
  queue "readings" {
    send = ["reading", "alert"]
  }
}
worker "alarm" {
  command  = ["alarm"]
  settings = { hold = "30s" }
  devices  = ["lamp"]
  policy   = "gpio-line"
  queue "readings" {
    receive = ["*"]
  }
}
worker "rogue" {
  command = ["rogue"]
  policy  = "sensor-read"
  restart {
    when    = "always"
    backoff = "5s..30s"
  }
}
defaults {
  restart {
    backoff = "10s..30s"
  }
  ready_within = "60s"
  heartbeat    = "60s"
}
`

// alarm is the state and process of the worker that holds the line.
func alarm(t *testing.T) (string, int) {
	t.Helper()
	out, err := exec.Command(programs+"/sallyport", "status", "--json", "--socket", "/run/pi.sock").Output()
	if err != nil && len(out) == 0 { // exit code 8 comes with an answer
		return "no answer yet", 0
	}
	for line := range strings.Lines(string(out)) {
		var w struct {
			Worker string `json:"worker"`
			Name   string `json:"name"`
			State  string `json:"state"`
			PID    int    `json:"pid"`
		}
		if json.Unmarshal([]byte(line), &w) == nil && (w.Name == "alarm" || w.Worker == "alarm") {
			return w.State, w.PID
		}
	}
	return "not in " + string(out), 0
}

// TestSupervisorSwitchesALine: the real supervisor grants the line to a confined
// worker, an alert switches it on, and when the worker is killed, the supervisor
// sets it to its safe value.
func TestSupervisorSwitchesALine(t *testing.T) {
	must(t, os.WriteFile("/run/house.hcl", []byte(house), 0o600))
	out, err := exec.Command(programs+"/sallyport", "check", "/run/house.hcl").CombinedOutput()
	if err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	log, err := os.Create("/run/house.log")
	must(t, err)
	defer log.Close()
	run := exec.Command(programs+"/sallyport", "run", "/run/house.hcl")
	run.Stdout, run.Stderr = log, log
	run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, run.Start())
	defer func() {
		_ = run.Process.Signal(syscall.SIGTERM)
		if err := run.Wait(); err != nil {
			t.Errorf("the supervisor ended: %v", err)
		}
		if text, _ := os.ReadFile("/run/house.log"); t.Failed() {
			t.Logf("%s", text)
		}
	}()
	becomes(t, "GPIO17", "|sallyport ) out lo")
	becomes(t, "GPIO17", "|sallyport ) out hi") // the worker, at the alert
	state, pid := alarm(t)
	if state != "ready" || pid == 0 {
		t.Fatalf("alarm is %s, process %d", state, pid)
	}
	began := time.Now()
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	becomes(t, "GPIO17", "|sallyport ) out lo") // the supervisor: safe
	t.Logf("safe %v after the kill", time.Since(began).Round(time.Millisecond))
	if state, _ := alarm(t); state == "ready" {
		t.Errorf("alarm is %s: was it the successor that switched off?", state)
	}
	becomes(t, "GPIO17", "|sallyport ) out hi") // its successor, on the same line
	if state, next := alarm(t); state != "ready" || next == pid {
		t.Errorf("alarm is %s, process %d", state, next)
	}
	// The filters of this architecture hold: rogue tries to open a file. On a busy
	// host its first launches may take longer than they may.
	for late := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		text, err := os.ReadFile("/run/house.log")
		must(t, err)
		if strings.Contains(string(text), "BLOCKED") && strings.Contains(string(text), "openat(") {
			break
		}
		if time.Now().After(late) {
			t.Fatal("nothing was blocked in two minutes")
		}
	}
}
