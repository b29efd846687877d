package hostile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/bus"
	"sallyport/internal/lane"
	"sallyport/internal/sys"
	"sallyport/internal/testenv"
)

// With full = "block" a confined worker may sleep in msgsnd on its routine lane,
// and nowhere else; whatever wakes it, its siblings' alerts did not wait for it.
func TestBlockedSender(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := openBusThat(t, lane.Block)
	waiting, good := confined(t, b, rogue, false), confined(t, b, sampler, true)
	routine := laneFrom(t, b, "routine", rogue, store)
	asleep := func() {
		t.Helper()
		waiting.do("flood %d 9 64", routine)
		waiting.tell("send %d 9 64 0", routine)
		waitAsleep(t, waiting.process.PID())
		if got := good.do("send %d 1 64 %d", laneFrom(t, b, "urgent", sampler, store), nowait); got != "ok 0" {
			t.Errorf("an alert of a sibling: %s", got)
		}
	}
	for _, kind := range []string{"urgent", "tap"} {
		to := map[string]uint32{"urgent": store, "tap": bus.Supervisor}[kind]
		if got := good.do("send %d 1 64 0", laneFrom(t, b, kind, sampler, to)); got != "breach" {
			t.Errorf("a send that would wait on the %s lane: %s", kind, got)
		}
	}
	asleep()
	_, _, err := sys.MsgReceive(routine, make([]byte, 64), 0, nowait)
	must(t, err)
	if got := waiting.hear(); got != "ok 0" {
		t.Errorf("woken by room: %s", got)
	}
	asleep()
	began := time.Now()
	must(t, b.Revoke(rogue))
	if got := waiting.hear(); got != "EACCES" {
		t.Errorf("woken by a revoke: %s", got)
	}
	t.Logf("free %v after the revoke began", time.Since(began))
	// Only so much that a loaded machine cannot fail it; the log has the figure.
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("woken after %v", took)
	}
	must(t, b.Permit(rogue))
	asleep()
	must(t, b.Close()) // the end of the lane is the end of the wait
	if got := waiting.hear(); got != "EACCES" && got != "EIDRM" {
		t.Errorf("woken by the end of the lane: %s", got)
	}
}

// waitAsleep waits until a thread of the process sleeps in msgsnd.
func waitAsleep(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !sleepsIn(t, pid, snd); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not wait in msgsnd")
		}
	}
}

// sleepsIn says whether a thread of the process sleeps in a call, as the kernel
// has it (proc_pid_syscall(5)).
func sleepsIn(t *testing.T, pid int, nr int32) bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	must(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err == nil && strings.HasPrefix(string(text), fmt.Sprintf("%d ", nr)) {
			return true
		}
	}
	return false
}
