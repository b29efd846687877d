//go:build integration

package integration_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemoShowsItsThreeThings: an alert overtakes readings, a forbidden call is
// named, a killed worker gets its descriptors again; and the summary's figures
// are clean.
func TestDemoShowsItsThreeThings(t *testing.T) {
	leftovers(t)
	began := time.Now()
	d := startDemo(t, "--for", "10s")
	d.wait("reading", 1, time.Minute)
	t.Logf("first reading after %v", time.Since(began).Round(time.Millisecond))
	last := d.finish(20 * time.Second)

	for name, value := range map[string]*int{
		"lost": last.Lost, "leaked_fds": last.LeakedFDs, "leaked_queues": last.LeakedQueues,
	} {
		if n := figure(t, name, value); n != 0 {
			t.Errorf("%s is %d, want 0", name, n)
		}
	}
	for name, value := range map[string]*int{
		"readings": last.Readings, "alerts": last.Alerts, "blocked": last.Blocked, "regranted": last.Regranted,
	} {
		if n := figure(t, name, value); n < 1 {
			t.Errorf("%s is %d, want at least 1", name, n)
		}
	}
	overtook := 0
	for _, a := range d.of("alert") {
		overtook = max(overtook, a.Overtook)
	}
	if overtook == 0 {
		t.Errorf("no alert overtook a reading: %+v", d.of("alert"))
	}
	if b := d.of("blocked"); len(b) == 0 || b[0].Worker != "rogue" || !strings.Contains(b[0].Syscall, "openat") {
		t.Errorf("blocked: %+v, want openat by rogue", b)
	}
	if r := d.of("regranted"); len(r) == 0 || len(r[0].Names) == 0 || r[0].MS <= 0 {
		t.Errorf("regranted: %+v, want names and a time", r)
	}
	for _, r := range d.of("ready") {
		if r.ProofLevel < 3 {
			t.Errorf("%s is ready with proof level %d, want 3", r.Worker, r.ProofLevel)
		}
	}
}

// TestDemoEndsOnInterrupt: Ctrl-C is a way to end it like any other.
func TestDemoEndsOnInterrupt(t *testing.T) {
	leftovers(t)
	d := startDemo(t)
	d.wait("reading", 3, 10*time.Second)
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last := d.finish(10 * time.Second)
	if n := figure(t, "leaked_queues", last.LeakedQueues) + figure(t, "leaked_fds", last.LeakedFDs); n != 0 {
		t.Errorf("%d left over after an interrupt", n)
	}
}

// TestSupervisorKilled: after kill -9 of the supervisor no worker, no queue and
// no mount is left within 2 s.
func TestSupervisorKilled(t *testing.T) {
	leftovers(t)
	d := startDemo(t)
	d.wait("reading", 3, 10*time.Second)
	parent, workers, err := supervisor()
	if err != nil {
		t.Fatal(err)
	}
	if parent.IPC == tasks()[0].IPC {
		t.Errorf("the supervisor's IPC namespace %s is the one it was started in", parent.IPC)
	}
	if err := syscall.Kill(parent.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	// Whoever is in the namespace keeps its queues alive, so nobody may be.
	gone := eventually(2*time.Second, func() bool {
		for _, p := range tasks() {
			if p.IPC == parent.IPC {
				return false
			}
			for _, w := range workers {
				if p.PID == w.PID {
					return false
				}
			}
		}
		return true
	})
	if !gone {
		t.Fatalf("2 s after the supervisor's death there are still %v", strays())
	}
	t.Logf("%d workers gone after %v", len(workers), time.Since(killed).Round(time.Millisecond))
	select {
	case <-d.ended:
	case <-time.After(time.Minute):
		t.Error("the command did not notice that its supervisor is gone")
	}
}

// TestWorkersAreConfined: what the kernel says about each worker of the demo.
func TestWorkersAreConfined(t *testing.T) {
	leftovers(t)
	d := startDemo(t)
	d.wait("ready", 4, 10*time.Second)
	_, workers, err := supervisor()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for _, w := range workers {
		t.Run(w.Name, func(t *testing.T) { confined(t, w, ids) })
	}
}

func confined(t *testing.T, w task, ids map[string]int) {
	pid := strconv.Itoa(w.PID)
	for field, want := range map[string]string{
		"Seccomp": "2", "Seccomp_filters": "1", "NoNewPrivs": "1", "Groups": "",
		"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapInh": "0000000000000000",
		"CapBnd": "0000000000000000", "CapAmb": "0000000000000000",
	} {
		if got := status(t, pid, field); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	uid := strings.Fields(status(t, pid, "Uid"))
	if uid[0] == "0" || uid[0] != uid[1] || uid[1] != uid[2] || uid[2] != uid[3] {
		t.Errorf("user ids %v, want one that is not root's", uid)
	}
	if other, taken := ids[uid[0]]; taken {
		t.Errorf("user id %s is also that of process %d", uid[0], other)
	}
	ids[uid[0]] = w.PID

	entries, err := os.ReadDir("/proc/" + pid + "/root/")
	if err != nil || len(entries) > 0 {
		t.Errorf("its root holds %v (%v), want nothing", entries, err)
	}
	granted(t, pid)
}

// granted looks at every descriptor of the worker. 0, 1 and 2 are /dev/null or
// the pipes of its output, 3 the channel; the Go runtime has an epoll and an
// eventfd; the others are what the configuration grants: attributes, simulated
// sensors, bells, a day file.
func granted(t *testing.T, pid string) {
	links, err := filepath.Glob("/proc/" + pid + "/fd/*")
	if err != nil || len(links) < 4 {
		t.Fatalf("descriptors %v (%v)", links, err)
	}
	for _, name := range links {
		link, err := os.Readlink(name)
		if err != nil {
			continue // closed meanwhile
		}
		number := filepath.Base(name)
		fine := strings.HasPrefix(link, "pipe:") || link == "/dev/null" ||
			link == "anon_inode:[eventpoll]" || link == "anon_inode:[eventfd]" ||
			strings.HasPrefix(link, "/memfd:") || strings.HasSuffix(link, ".csv") ||
			strings.HasPrefix(link, "/proc/loadavg") || strings.HasPrefix(link, "/proc/meminfo") || strings.HasPrefix(link, "/proc/pressure/") ||
			strings.HasPrefix(link, "/sys/") || number == "3" && strings.HasPrefix(link, "socket:")
		if !fine {
			t.Errorf("descriptor %s is %s, which nobody granted", number, link)
		}
	}
}
