//go:build integration

package integration_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// status is one field of /proc/PID/status.
func status(t *testing.T, pid, field string) string {
	t.Helper()
	for line := range strings.Lines(read(t, "/proc/"+pid+"/status")) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("/proc/%s/status has no line %s", pid, field)
	return ""
}

// queues counts the System V queues of the test's own IPC namespace.
func queues(t *testing.T) int {
	t.Helper()
	return strings.Count(read(t, "/proc/sysvipc/msg"), "\n") - 1
}

// mounts are the mount points in sight, sorted.
func mounts(t *testing.T) []string {
	t.Helper()
	var points []string
	for line := range strings.Lines(read(t, "/proc/self/mountinfo")) {
		points = append(points, strings.Fields(line)[4])
	}
	slices.Sort(points)
	return points
}

// A task is a process as /proc shows it: its state, its parent, its namespace.
type task struct {
	PID, Parent int
	Name, State string
	IPC         string // link of its IPC namespace
	Exe         string
}

// tasks lists the processes that are alive; a zombie is not.
func tasks() []task {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	var all []task
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		open, shut := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		fields := strings.Fields(string(text[shut+1:]))
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:open])))
		parent, _ := strconv.Atoi(fields[1])
		if fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		dir := filepath.Dir(name)
		ipc, _ := os.Readlink(dir + "/ns/ipc")
		exe, _ := os.Readlink(dir + "/exe")
		all = append(all, task{pid, parent, string(text[open+1 : shut]), fields[0], ipc, exe})
	}
	return all
}

// supervisor finds the process whose executable is bin/supervisor and which has
// children, that is the one that has settled in its IPC namespace.
func supervisor() (task, []task, error) {
	all := tasks()
	for _, p := range all {
		if filepath.Base(p.Exe) != "supervisor" {
			continue
		}
		var children []task
		for _, c := range all {
			if c.Parent == p.PID {
				children = append(children, c)
			}
		}
		if len(children) > 0 {
			return p, children, nil
		}
	}
	return task{}, nil, fmt.Errorf("no supervisor with workers among %v", all)
}

// eventually waits until ok holds; false when it did not within the time.
func eventually(within time.Duration, ok func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(within); !ok(); {
		select {
		case <-end:
			return ok()
		case <-tick.C:
		}
	}
	return true
}
