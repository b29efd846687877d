package succession_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/testenv"
)

// patience is for a machine that has other things to do; no test waits so long
// when all is well.
const patience = 60 * time.Second

// pools counts the user ids that were given out: the limit of tasks is the
// user's, and tests run side by side.
var pools atomic.Uint32

// home is a folder that nobody else may write, with a configuration in it. %[1]s
// in text is the folder, %[3]s a pool of user ids.
func home(t *testing.T, text string) (dir, file string) {
	t.Helper()
	testenv.NeedRoot(t)
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	first := 23000 + 10*pools.Add(1)
	text = strings.NewReplacer("%[1]s", dir, "%[3]s", fmt.Sprintf("%d-%d", first, first+9)).Replace(text)
	file = filepath.Join(dir, "succession.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

// program is one of what make build made.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("needs bin/" + name + ": make build")
	}
	return path
}

// running is a supervisor that a test has started.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    *testenv.Log
	client control.Client
	ended  chan struct{} // closed when it was waited for
	err    error         // of the wait
}

// launch starts the supervisor; prepare may change how.
func launch(t *testing.T, dir, file string, prepare func(*exec.Cmd)) *running {
	t.Helper()
	r := &running{t: t, log: &testenv.Log{}, ended: make(chan struct{}), client: control.Client{Path: filepath.Join(dir, "control")}}
	r.cmd = exec.Command(program(t, "supervisor"), "-log-level=debug", file)
	r.cmd.Stderr = r.log
	if prepare != nil {
		prepare(r.cmd)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(r.ended); r.err = r.cmd.Wait() }()
	t.Cleanup(func() {
		select {
		case <-r.ended:
		default:
			_ = r.cmd.Process.Kill()
			<-r.ended
		}
		if t.Failed() {
			t.Logf("the supervisor's log:\n%s", r.log)
		}
	})
	return r
}

// pid is the supervisor's.
func (r *running) pid() int { return r.cmd.Process.Pid }

// stop ends it in order; what it counts as left behind is a failure.
func (r *running) stop() {
	r.t.Helper()
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	r.wait()
	if r.err != nil || !strings.Contains(r.log.String(), "leaked_fds=0 leaked_queues=0") {
		r.t.Errorf("the supervisor ended with %v", r.err)
	}
}

// kill ends it as nothing can be prepared for.
func (r *running) kill() {
	r.t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	r.wait()
}

func (r *running) wait() {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatal("the supervisor does not end")
	}
}

// until waits for something to hold.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within %v: %s", patience, what)
}

// links is the descriptor table of a process: number to what readlink says.
func links(t *testing.T, pid int) map[string]string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	for _, e := range entries {
		if link, err := os.Readlink(dir + "/" + e.Name()); err == nil {
			table[e.Name()] = link
		}
	}
	return table
}

// freePort is a port of the loopback that nobody has just now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
