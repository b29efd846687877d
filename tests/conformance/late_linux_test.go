package conformance_test

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

// IPC_SET wakes a receiver whose right was taken, but leaves it in the list of
// those who wait until it runs (expunge_all of the kernel's ipc/msg.c). What is
// sent before that is handed to it, and nobody looks at its rights again. So the
// first message after a Revoke of receivers may still reach one of them; the
// second cannot.
func TestRevokedReceiverMayGetOneMoreMessage(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(runtime.NumCPU() - 1)
	must(t, unix.SchedSetaffinity(0, &one))
	const rounds = 40
	late, tried := 0, 0
	for ; late == 0 && tried < rounds; tried++ {
		q := queue(t, sysvctl.Options{Mode: 0o666})
		a := ipcactor.Start(t, nobody, nobody)
		a.Tell("receive %d 0 8 0", q.ID())
		testenv.AsleepInQueue(t, a.PID(), 1)
		tasks, err := os.ReadDir("/proc/" + strconv.Itoa(a.PID()) + "/task")
		must(t, err)
		for _, task := range tasks { // woken, it does not push this thread aside
			tid, err := strconv.Atoi(task.Name())
			must(t, err)
			must(t, unix.SchedSetaffinity(tid, &one))
			must(t, unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0))
		}
		must(t, q.Revoke(sysvctl.Receivers))
		send(t, q, 1, "late")
		send(t, q, 1, "later")
		switch got := a.Answer(); got {
		case "EACCES":
			equal(t, "messages", stat(t, q).Messages, 2)
		case "ok 1 4":
			late++
			takes(t, q, sysvctl.Any(), 1, "later")
		default:
			t.Errorf("the receiver: %s", got)
		}
		equal(t, "what it receives afterwards", a.Do("receive %d 0 8 2048", q.ID()), "EACCES")
		a.Kill()
		must(t, q.Remove())
	}
	t.Logf("%d of %d revoked receivers were handed the next message", late, tried)
	if late == 0 {
		t.Error("none was: this kernel takes the right away at once, and the documents can say so")
	}
}
