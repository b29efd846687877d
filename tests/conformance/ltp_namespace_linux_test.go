package conformance_test

import (
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

const namespaceKey = 154326

// ltpNamespace is the Linux Test Project's mesgq_nstest: a queue with a message
// is made, and a child looks for it by its key, in the namespace of its parent or
// in one of its own. The letter is the program's argument.
var ltpNamespace = []entry{
	{name: "mesgq_nstest none", run: func(t *testing.T) {
		sendHello(t)
		a := ipcactor.Start(t, nobody, nobody)
		id, found := strings.CutPrefix(a.Do("get %d", namespaceKey), "ok ")
		if !found {
			t.Fatalf("the child finds no queue: %s", id)
		}
		if got := a.Do("receive %s 5 80 2048", id); !strings.HasPrefix(got, "ok") {
			t.Errorf("the child takes no message: %s", got)
		}
	}},
	{name: "mesgq_nstest clone", run: func(t *testing.T) {
		sendHello(t)
		a := ipcactor.StartApart(t, nobody, nobody)
		equal(t, "msgget in the child", a.Do("get %d", namespaceKey), "ENOENT")
	}},
	{name: "mesgq_nstest unshare", run: func(t *testing.T) {
		sendHello(t)
		// unshare(2) moves the one thread that calls it, which then ends.
		answer := make(chan error, 1)
		go func() {
			runtime.LockOSThread()
			err := unix.Unshare(unix.CLONE_NEWIPC)
			if err == nil {
				_, err = sys.MsgGet(namespaceKey, 0)
			}
			answer <- err
		}()
		want(t, <-answer, syscall.ENOENT)
		_, err := sysvctl.Open(namespaceKey, sysvctl.Wanted{})
		must(t, err) // the other threads are where they were
	}},
}

func sendHello(t *testing.T) {
	t.Helper()
	q, err := sysvctl.Create(namespaceKey, sysvctl.Options{Mode: 0o666})
	must(t, err)
	send(t, q, 5, "Hello")
}
