package conformance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
)

// Facts 33 and 34: messages stay charged to the memory cgroup of a sender that is
// dead, until the namespace of the queue goes; and it goes with its last process
// or descriptor, the queue included, without anybody's IPC_RMID.
func TestMessagesStayChargedUntilTheNamespaceGoes(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	g := newGroup(t)
	a := ipcactor.StartApart(t, nobody, nobody)
	must(t, os.WriteFile(filepath.Join(g.dir, "cgroup.procs"), []byte(strconv.Itoa(a.PID())), 0))
	equal(t, "create", a.Do("create 77 %d", 0o600), "ok 0")
	const messages = 16384 // of no bytes: as many as msg_qbytes
	for range messages {
		if got := a.Do("send 0 1 0 2048"); got != "ok" {
			t.Fatal(got)
		}
	}
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/ipc", a.PID()))
	must(t, err)
	a.Kill()
	const least = messages * 48 // bytes: the kernel's struct msg_msg alone
	time.Sleep(200 * time.Millisecond)
	after := g.usage(t)
	t.Logf("%d messages without bytes: %d bytes charged after the sender's death", messages, after)
	if after < least {
		t.Errorf("only %d bytes are still charged", after)
	}
	must(t, namespace.Close())
	for deadline := time.Now().Add(10 * time.Second); g.usage(t) > after-least; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are charged 10 s after the last descriptor, before it %d", g.usage(t), after)
		}
	}
}

// group is a memory cgroup that goes with the test.
type group struct{ dir, file string }

func newGroup(t *testing.T) group {
	t.Helper()
	name := fmt.Sprintf("sallyport-test-%d", os.Getpid())
	for _, g := range []group{
		{"/sys/fs/cgroup/memory", "memory.usage_in_bytes"},
		{"/sys/fs/cgroup", "memory.current"},
	} {
		g.dir = filepath.Join(g.dir, name)
		if os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 100 {
				if os.Remove(g.dir) == nil {
					return
				}
				time.Sleep(10 * time.Millisecond) // until the killed are gone from it
			}
			t.Errorf("%s is left", g.dir)
		})
		if _, err := os.Stat(filepath.Join(g.dir, g.file)); err == nil {
			return g
		}
	}
	t.Skip("needs a memory cgroup that can be made")
	return group{}
}

func (g group) usage(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, g.file))
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	return n
}
