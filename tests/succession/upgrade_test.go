//go:build !fault

package succession_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/testenv"
)

// TestUpgradeKeepsTheWorkers: after an upgrade the processes are the same, with
// the same descriptors on both sides; readings go on without a gap; and the
// supervisor is the parent that it was: a worker that dies is reaped and replaced,
// and when the supervisor is killed all of them die.
func TestUpgradeKeepsTheWorkers(t *testing.T) {
	r := upgrading(t, nil)
	before := r.status()
	table := r.quietTable()
	for range 3 {
		if err := r.upgrade(""); err != nil {
			t.Fatal(err)
		}
		after := r.status()
		for name, st := range before {
			if now := after[name]; now.PID != st.PID || now.Epoch != st.Epoch || now.State != "ready" || fmt.Sprint(now.Grants) != fmt.Sprint(st.Grants) {
				t.Errorf("%s is %+v, was %+v", name, now, st)
			}
		}
	}
	r.same(table)
	alarms := r.events(t, "alert", 2)
	if len(alarms) != 2 {
		t.Errorf("%d alerts were reported by their receivers", len(alarms))
	}

	if err := syscall.Kill(before["sampler"].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "a successor of the sampler", func() bool {
		st := r.status()["sampler"]
		return st.State == "ready" && st.Epoch == before["sampler"].Epoch+1 && len(st.Grants) == len(before["sampler"].Grants)
	})
	if err := r.upgrade(""); err != nil {
		t.Fatal(err)
	}
	last := r.status()
	r.clean()
	for name, st := range last {
		if syscall.Kill(st.PID, 0) == nil {
			t.Errorf("%s still runs as process %d", name, st.PID)
		}
	}
}

// TestKilledAfterUpgrade: the death signal of workers that an earlier program has
// started still follows the process.
func TestKilledAfterUpgrade(t *testing.T) {
	r := upgrading(t, nil)
	if err := r.upgrade(""); err != nil {
		t.Fatal(err)
	}
	workers := r.status()
	r.kill()
	for name, st := range workers {
		until(t, name+" is gone", func() bool { return errors.Is(syscall.Kill(st.PID, 0), syscall.ESRCH) })
	}
}

// TestFollowersAreToldAndCut: the last event of a follower says what comes, and
// who follows anew is told how it went.
func TestFollowersAreToldAndCut(t *testing.T) {
	r := upgrading(t, nil)
	last := make(chan string, 1)
	began := make(chan struct{})
	go func() {
		line := ""
		for l, err := range r.client.Stream(context.Background()) {
			if err != nil {
				line = err.Error()
				break
			}
			if line == "" {
				close(began)
			}
			line = string(l)
		}
		last <- line
	}()
	<-began
	if err := r.upgrade(""); err != nil {
		t.Fatal(err)
	}
	if line := <-last; !strings.Contains(line, `"event":"upgrading"`) {
		t.Errorf("the last line of a follower: %s", line)
	}
	e, _ := r.events(t, "upgraded", 1)[0].(control.Upgraded)
	if e.Workers != 3 || e.MS <= 0 || e.To == "" {
		t.Errorf("event %+v", e)
	}
	r.clean()
}

// TestUpgradeRefused: a program that is none, that others could write, or that
// cannot take over is found out while nothing stands still; nothing is changed.
func TestUpgradeRefused(t *testing.T) {
	r := upgrading(t, nil)
	before := r.status()
	dir := t.TempDir()
	text, script := filepath.Join(dir, "text"), filepath.Join(dir, "script")
	for path, content := range map[string]string{text: "no program\n", script: "#!/bin/sh\nexit 0\n"} {
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writable := filepath.Join(dir, "writable")
	copyProgram(t, program(t, "supervisor"), writable)
	if err := os.Chmod(writable, 0o757); err != nil {
		t.Fatal(err)
	}
	for binary, says := range map[string]string{
		filepath.Join(dir, "absent"): "no such file",
		text:                         "not an ELF file",
		script:                       "script",
		writable:                     "writ",
		"/bin/false":                 "cannot take over: exit 1",
		"/usr/bin/yes":               "cannot take over",
		program(t, "sallyport"):      "cannot take over",
	} {
		if err := r.upgrade(binary); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want a word of %q", binary, err, says)
		}
	}
	if after := r.status(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the workers: %v, were %v", after, before)
	}
	r.clean()
}

// TestUpgradeWhileWorkersDie: kills at random moments around upgrades; each
// worker is replaced, and the accounts stay true.
func TestUpgradeWhileWorkersDie(t *testing.T) {
	r := upgrading(t, nil)
	stop, over := make(chan struct{}), make(chan struct{})
	kills := 0
	go func() {
		defer close(over)
		for {
			select {
			case <-stop:
				return
			case <-time.After(7 * time.Millisecond):
			}
			if st := r.status()["sampler"]; st.State == "ready" && syscall.Kill(st.PID, syscall.SIGKILL) == nil {
				kills++
			}
		}
	}()
	for i := range 5 {
		if err := r.upgrade(""); err != nil {
			t.Errorf("upgrade %d: %v", i, err)
		}
	}
	close(stop)
	<-over
	t.Logf("%d samplers were killed", kills)
	until(t, "three workers that are ready", func() bool { return r.ready() == 3 })
	r.clean()
}

// TestUpgradeLosesNoLine: what a worker prints around upgrades is logged, each
// line whole and in its order.
func TestUpgradeLosesNoLine(t *testing.T) {
	testenv.NeedRoot(t)
	r := upgrading(t, nil)
	for range 3 {
		if err := r.upgrade(""); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, "supervisor.alarm: says:") && !strings.Contains(line, `line="fridge: fridge is 9, above 8"`) {
			t.Errorf("a torn line: %s", line)
		}
	}
	r.clean()
}
