package programs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// examplePython lays the example with the SDK into a directory, and gives its
// configuration with the paths changed to it.
func examplePython(t *testing.T, dir string) string {
	t.Helper()
	for _, from := range []string{"../../examples/python/sensor.py", "../../examples/python/display.py", "../../sdk/python/sallyport.py"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(from)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("../../examples/python/python.hcl")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.ReplaceAll(string(text), "/opt/sallyport-python", dir)
	config = strings.ReplaceAll(config, "/run/sallyport/python.sock", filepath.Join(dir, "control"))
	if _, err := os.Stat("/lib64"); errors.Is(err, os.ErrNotExist) {
		config = strings.ReplaceAll(config, `"/lib64", `, "")
	}
	return config
}

func needPython(t *testing.T) {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-BS", "-c", "import ctypes").Run(); err != nil {
		t.Skip("needs python3 in /usr/bin, with ctypes: apt-get install python3")
	}
}

// said waits until the supervisor's log has all of it.
func (r *running) said(words ...string) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		missing := ""
		for _, w := range words {
			if !strings.Contains(r.log.String(), w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
	}
	r.t.Fatalf("not all of %q within %v:\n%s", words, patience, r.log.String())
}

// TestPython runs the example as it stands: readings and alerts go from one
// interpreter to another, both proved, and nothing is blocked.
func TestPython(t *testing.T) {
	needPython(t)
	r := startWith(t, func(dir string) string { return examplePython(t, dir) })
	r.said("reading load ", "reading fridge 4 C", "ALERT fridge 9 C above 8", "supervisor.sensor: ready", "supervisor.display: ready")
	r.stopped.Do(r.stop)
	for _, wrong := range []string{"BLOCKED", "Traceback", "epoch=2"} {
		if strings.Contains(r.log.String(), wrong) {
			t.Errorf("%s:\n%s", wrong, r.log.String())
		}
	}
	if strings.Count(r.log.String(), `ended: why="exit 0" next=stopped`) != 2 {
		t.Errorf("they did not stop as they were asked to:\n%s", r.log.String())
	}
}

// TestPythonAfterHello: a module is not found any more, an exception is one with
// its traceback, and a call that the profile does not have is named.
func TestPythonAfterHello(t *testing.T) {
	needPython(t)
	for last, want := range map[string][]string{
		"import decimal":                 {"No module named 'decimal'"},
		"open('/etc/passwd')":            {"No such file or directory: '/etc/passwd'"},
		"1 / 0":                          {"Traceback (most recent call last)", "ZeroDivisionError: division by zero"},
		"import os; os.kill(1, 9)":       {"BLOCKED: call=\"kill(1, SIGKILL)\"", "phase=running profile=python-basic"},
		"import socket; socket.socket()": {"BLOCKED: call=\"socket(AF_INET"},
	} {
		t.Run(strings.Fields(last)[0], func(t *testing.T) {
			r := startWith(t, func(dir string) string {
				config := examplePython(t, dir)
				f, err := os.OpenFile(filepath.Join(dir, "display.py"), os.O_WRONLY|os.O_TRUNC, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := f.WriteString("import os, sys\nsys.path.insert(0, '" + dir + "')\nimport sallyport, socket\nw = sallyport.Worker()\nw.ready()\n" + last + "\n"); err != nil {
					t.Fatal(err)
				}
				return config
			})
			r.said(want...)
		})
	}
}
