//go:build integration

package integration_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const hostileConfig = `
supervisor {
  name    = "hostile"
  ids     = "21000-21099"
  waive   = ["landlock", "cgroup-memory"]
  control = %[1]q
}
device "fridge" { sim = { wave = "sine", period = "10s", min = 1, max = 5 } }
device "other" { sim = { wave = "sine", period = "10s", min = 1, max = 5 } }
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "bystander" {
  command  = ["worker", "read"]
  settings = { every = "50ms" }
  devices  = ["other"]
  policy   = "sensor-read"
  queue "readings" { send = ["reading", "alert"] }
}
worker "hostile" {
  command  = [%[2]q]
  settings = { do = %[3]q, after = "1500ms" }
  devices  = ["fridge"]
  policy   = "sensor-read"
  queue "readings" { send = ["reading", "alert"] }
  restart { when = "never" }
}
`

// TestHostileWorkerIsEndedAndNamed: each forbidden act ends the worker, in
// words, and its neighbour does not notice.
func TestHostileWorkerIsEndedAndNamed(t *testing.T) {
	for _, row := range []struct {
		do      string
		blocked string // the call that the event names; empty when there is none
		reason  string // part of the reason of the end
	}{
		// Exec after the start, by three ways of calling it.
		{"execve", "execve", ""},
		{"execveat-1000", "execveat", ""},
		{"execveat-fd", "execveat", ""},
		{"openat", "openat", ""},
		{"socket", "socket", ""},
		{"kill", "kill", ""},
		{"death-signal", "prctl", ""},
		{"fork", "clone", ""},
		{"ptrace", "", "killed by the filter"}, // the kernel kills without a notice
		{"rubbish", "", "protocol fault"},
		{"huge", "", "protocol fault"},
	} {
		t.Run(row.do, func(t *testing.T) {
			events := startHostile(t, row.do)
			events.wait("reading", 1, 10*time.Second)
			ends := func() []event { return by("hostile", events.of("exited")) }
			if !eventually(10*time.Second, func() bool { return len(ends()) > 0 }) {
				t.Fatalf("the worker that did %s is still there", row.do)
			}
			end := ends()[0]
			if end.Reason == "" || !strings.Contains(end.Reason, row.reason) {
				t.Errorf("reason %q, want one that says %q", end.Reason, row.reason)
			}
			t.Logf("reason: %s", end.Reason)
			blocked := by("hostile", events.of("blocked"))
			switch {
			case row.blocked == "" && len(blocked) > 0:
				t.Errorf("blocked %+v, want no notice", blocked)
			case row.blocked != "" && (len(blocked) != 1 || !strings.HasPrefix(blocked[0].Syscall, row.blocked)):
				t.Errorf("blocked %+v, want %s by hostile", blocked, row.blocked)
			}
			before := len(events.of("reading"))
			events.wait("reading", before+5, time.Minute)
			for _, e := range events.of("exited") {
				if e.Worker != "hostile" {
					t.Errorf("%s ended as well: %s", e.Worker, e.Reason)
				}
			}
		})
	}
}

// TestLostDeviceIsGrantedAgain: LOST makes the supervisor open the device anew
// and grant it to the same process.
func TestLostDeviceIsGrantedAgain(t *testing.T) {
	events := startHostile(t, "lost")
	regained := func() bool {
		return slices.ContainsFunc(events.of("reading"), func(e event) bool { return e.Sensor == "fridge" && e.Value == 4242 })
	}
	if !eventually(10*time.Second, regained) {
		t.Errorf("it never read its device again; ended: %+v", by("hostile", events.of("exited")))
	}
}

// by keeps the events about one worker.
func by(worker string, events []event) []event {
	return slices.DeleteFunc(events, func(e event) bool { return e.Worker != worker })
}

// startHostile runs the supervisor with a hostile worker and a bystander, as
// `sallyport run` does, and follows its events.
func startHostile(t *testing.T, do string) *demo {
	t.Helper()
	leftovers(t)
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "control.sock"), filepath.Join(dir, "hostile.hcl")
	text := fmt.Sprintf(hostileConfig, socket, built(t, "build/integration/hostile"), do)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	run := exec.Command(built(t, "bin/sallyport"), "run", file)
	run.Stdout, run.Stderr = &log, &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		run.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { run.Process.Kill() })
		err := run.Wait()
		if !late.Stop() {
			t.Error("the supervisor did not stop within 10 s of SIGTERM")
		}
		if err != nil {
			t.Errorf("the supervisor ended with %v", err)
		}
		if t.Failed() {
			t.Logf("log of the supervisor:\n%s", log.String())
		}
	})
	answers := func() bool {
		cmd := exec.Command(built(t, "bin/sallyport"), "status", "--socket", socket)
		_ = cmd.Run()
		code := cmd.ProcessState.ExitCode()
		return code == 0 || code == 8 // healthy, or without something that may be missing
	}
	if !eventually(10*time.Second, answers) {
		t.Fatal("the supervisor does not answer")
	}
	return follow(t, exec.Command(built(t, "bin/sallyport"), "events", "--json", "--socket", socket))
}
