package kill

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Injection is an error that strace(1) puts in place of a system call: of the
// When-th such call of every thread of one of the two processes, counted from
// the moment at which it gets its order. The call itself is not made.
type Injection struct {
	Worker bool // else the parent
	Call   string
	Errno  string
	When   int
}

// Calls and Errnos are what injections are made of, every one with every one.
var (
	Calls  = []string{"sendmsg", "recvmsg", "write", "read", "pipe2", "fcntl", "close"}
	Errnos = []string{"EINTR", "EAGAIN", "EMFILE", "ENOBUFS", "ENOMEM", "EPIPE"}
)

func (in Injection) String() string {
	who := "parent"
	if in.Worker {
		who = "worker"
	}
	return fmt.Sprintf("%s: %s=%s:%d", who, in.Call, in.Errno, in.When)
}

// tracer is strace, attached to an actor.
type tracer struct {
	cmd  *exec.Cmd
	file string
}

// attach returns when every thread of the actor is traced.
func attach(a *actor, in Injection, file string) (*tracer, error) {
	t := &tracer{file: file, cmd: exec.Command("strace", "-ff", "-qq", "-o", file, "-e", "trace="+in.Call,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%d", in.Call, in.Errno, in.When), "-p", strconv.Itoa(a.pid))}
	said := new(bytes.Buffer)
	t.cmd.Stderr = said
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(stuckAfter); time.Now().Before(end); time.Sleep(time.Millisecond) {
		all, err := traced(a.pid)
		if err == nil && all {
			return t, nil
		}
		if unix.Kill(t.cmd.Process.Pid, 0) != nil {
			break
		}
	}
	t.detach()
	return nil, fmt.Errorf("strace did not attach: %s", said)
}

func traced(pid int) (bool, error) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, task := range tasks {
		text, err := os.ReadFile(dir + "/" + task.Name() + "/status")
		if err != nil {
			return false, err
		}
		if bytes.Contains(text, []byte("\nTracerPid:\t0\n")) {
			return false, nil
		}
	}
	return true, nil
}

// detach ends strace; the actor goes on.
func (t *tracer) detach() {
	_ = t.cmd.Process.Signal(unix.SIGTERM)
	_ = t.cmd.Wait() // it ends by the signal, which is no news
}

var (
	injectedLine  = regexp.MustCompile(`\(INJECTED\)`)
	injectedClose = regexp.MustCompile(`close\((\d+)\) .*\(INJECTED\)`)
)

// injected counts the errors that were put in, and lists the descriptors whose
// close was left out by it. A kernel never does that: close(2) frees the number
// also when it reports an error. They are the one thing that may stay open.
func (t *tracer) injected() (hits int, open map[int]bool, err error) {
	files, err := filepath.Glob(t.file + ".*") // one a thread, so that no line is cut in two
	if err != nil {
		return 0, nil, err
	}
	open = map[int]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, nil, err
		}
		hits += len(injectedLine.FindAll(text, -1))
		for _, m := range injectedClose.FindAllSubmatch(text, -1) {
			n, err := strconv.Atoi(string(m[1]))
			if err != nil {
				return 0, nil, err
			}
			open[n] = true
		}
	}
	return hits, open, nil
}
