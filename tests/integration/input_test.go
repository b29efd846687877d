//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sallyport runs the command to its end and returns what it printed and its
// exit code.
func sallyport(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(built(t, "bin/sallyport"), args...)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil { // the umask took bits away
		t.Fatal(err)
	}
	return file
}

// good is a configuration without a mistake; %s is the worker's command.
const good = `
supervisor {
  ids     = "22000-22099"
  waive   = ["landlock", "cgroup-memory"]
  control = "/run/input-test.sock"
}
device "load" { file = { path = "/proc/loadavg", decode = "field:0" } }
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "reader" {
  command = [%s]
  devices = ["load"]
  policy  = "sensor-read"
  queue "readings" { send = ["reading"] }
}
`

// TestAllMistakesAtOnce: every mistake with its line and a suggestion, and
// nothing is started.
func TestAllMistakesAtOnce(t *testing.T) {
	leftovers(t)
	text := fmt.Sprintf(good, `"worker", "read"`)
	text = strings.Replace(text, `devices = ["load"]`, `devices = ["laod"]`, 1)
	text = strings.Replace(text, `send = ["reading"]`, `send = ["raeding"]`, 1)
	text = strings.Replace(text, `policy  = "sensor-read"`, `policy  = "sensor-raed"`, 1)
	file := write(t, "bad.hcl", text, 0o600)
	for _, verb := range []string{"check", "run"} {
		out, code := sallyport(t, verb, file)
		if code != 3 {
			t.Errorf("%s: exit code %d, want 3", verb, code)
		}
		for _, want := range []string{"bad.hcl:14", "bad.hcl:15", "bad.hcl:16", `"load"`, `"sensor-read"`, `"reading"`} {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %s:\n%s", verb, want, out)
			}
		}
	}
}

// TestMissingDeviceNamesItsBlock: the error says which block of which file.
func TestMissingDeviceNamesItsBlock(t *testing.T) {
	leftovers(t)
	text := strings.Replace(fmt.Sprintf(good, `"worker", "read"`), `file = { path = "/proc/loadavg", decode = "field:0" }`, `thermal = { type = "no-such-zone" }`, 1)
	out, code := sallyport(t, "run", write(t, "missing.hcl", text, 0o600))
	if code == 0 || !strings.Contains(out, `device "load"`) || !strings.Contains(out, "missing.hcl:7") || !strings.Contains(out, "no-such-zone") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestMissingProtectionIsWaivedOrRefused: what doctor finds missing in here is a
// reason not to start, with the line to write, and nothing else is.
func TestMissingProtectionIsWaivedOrRefused(t *testing.T) {
	leftovers(t)
	found, code := sallyport(t, "doctor", "--json")
	if code != 0 && code != 8 {
		t.Errorf("doctor ends with %d:\n%s", code, found)
	}
	missing := strings.Contains(found, `"check":"cgroups","level":"warn"`)
	text := strings.Replace(fmt.Sprintf(good, `"worker", "read"`), `"landlock", "cgroup-memory"`, `"landlock"`, 1)
	text = strings.Replace(text, `file = { path = "/proc/loadavg", decode = "field:0" }`, `thermal = { type = "no-such-zone" }`, 1) // it never starts
	out, code := sallyport(t, "run", write(t, "unwaived.hcl", text, 0o600))
	if refused := strings.Contains(out, "cgroup-memory cannot be had here") && strings.Contains(out, `to run without: supervisor { waive = [`); code == 0 || missing && !refused {
		t.Errorf("missing %t, exit code %d:\n%s", missing, code, out)
	}
}

// TestWritableWorkerIsRefused: who can write a worker's file would be the worker.
func TestWritableWorkerIsRefused(t *testing.T) {
	leftovers(t)
	binary, err := os.ReadFile(built(t, "bin/worker"))
	if err != nil {
		t.Fatal(err)
	}
	open := write(t, "open", string(binary), 0o757)
	out, code := sallyport(t, "run", write(t, "writable.hcl", fmt.Sprintf(good, fmt.Sprintf("%q, %q", open, "read")), 0o600))
	if code == 0 || !strings.Contains(out, open) || !strings.Contains(out, "writ") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestWritableConfigurationIsRefused: so is a configuration of that kind.
func TestWritableConfigurationIsRefused(t *testing.T) {
	leftovers(t)
	file := write(t, "writable.hcl", fmt.Sprintf(good, `"worker", "read"`), 0o666)
	out, code := sallyport(t, "run", file)
	if code == 0 || !strings.Contains(out, file) || !strings.Contains(out, "writ") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestShortDemoIsAUsageError: it would end before it has shown everything.
func TestShortDemoIsAUsageError(t *testing.T) {
	if out, code := sallyport(t, "demo", "--for", "5s"); code != 2 || !strings.Contains(out, "8s") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// TestDemoWithoutRoot: a user without any right sees the same three things, in
// a user namespace.
func TestDemoWithoutRoot(t *testing.T) {
	leftovers(t)
	cmd := exec.Command(built(t, "bin/sallyport"), "demo", "--json", "--for", "10s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
	cmd.Dir = "/tmp" // a test's own folder is closed to others
	d := follow(t, cmd)
	last := d.finish(25 * time.Second)
	for name, value := range map[string]*int{"leaked_fds": last.LeakedFDs, "leaked_queues": last.LeakedQueues, "lost": last.Lost} {
		if n := figure(t, name, value); n != 0 {
			t.Errorf("%s is %d, want 0", name, n)
		}
	}
	if figure(t, "blocked", last.Blocked) < 1 || figure(t, "regranted", last.Regranted) < 1 || figure(t, "alerts", last.Alerts) < 1 {
		t.Errorf("not all three things were seen: %+v", d.of("blocked"))
	}
}
