package ipcactor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/pkg/sysvctl"
)

const variable = "SALLYPORT_TEST_IPC_ACTOR"

// Actor is the parent's handle of one such process.
type Actor struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	said chan string
}

// Start runs an actor as uid and gid. It ends with the test.
func Start(t testing.TB, uid, gid uint32) *Actor {
	t.Helper()
	return start(t, uid, gid, 0)
}

// StartApart is Start in an IPC namespace of its own. It needs root.
func StartApart(t testing.TB, uid, gid uint32) *Actor {
	t.Helper()
	return start(t, uid, gid, syscall.CLONE_NEWIPC)
}

func start(t testing.TB, uid, gid uint32, flags uintptr) *Actor {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uid, Gid: gid},
		Pdeathsig:  syscall.SIGKILL,
		Cloneflags: flags,
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := &Actor{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out), said: make(chan string, 16)}
	go func() {
		defer close(a.said)
		for a.out.Scan() {
			a.said <- a.out.Text()
		}
	}()
	t.Cleanup(func() {
		in.Close()
		a.Kill()
	})
	return a
}

// PID is its process id.
func (a *Actor) PID() int { return a.cmd.Process.Pid }

// Kill ends it with SIGKILL and waits for it.
func (a *Actor) Kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// Tell gives it one call to make, and does not wait for the answer.
func (a *Actor) Tell(format string, args ...any) {
	a.t.Helper()
	if _, err := fmt.Fprintf(a.in, format+"\n", args...); err != nil {
		a.t.Fatal(err)
	}
}

// Answer waits for the answer: "ok ..." or the name of the errno.
func (a *Actor) Answer() string {
	a.t.Helper()
	select {
	case s, ok := <-a.said:
		if !ok {
			a.t.Fatal("the actor ended")
		}
		return s
	case <-time.After(10 * time.Second):
		a.t.Fatal("no answer from the actor in 10 s")
	}
	return ""
}

// Within returns the answer if it comes within d.
func (a *Actor) Within(d time.Duration) (answer string, came bool) {
	select {
	case answer, came = <-a.said:
	case <-time.After(d):
	}
	return answer, came
}

// Silent says that no answer came within d: the call is blocked.
func (a *Actor) Silent(d time.Duration) bool {
	select {
	case s := <-a.said:
		a.t.Logf("the actor said %q", s)
		return false
	case <-time.After(d):
		return true
	}
}

// Do is Tell and Answer. The calls are
//
//	create KEY MODE | get KEY | getmode KEY MODE | send ID TYPE SIZE FLAGS | receive ID TYPE SIZE FLAGS
//	pour ID TYPE COUNT | sink ID TYPE COUNT
//	stat ID | statany ID | set ID UID GID MODE QBYTES | remove ID | list
func (a *Actor) Do(format string, args ...any) string {
	a.t.Helper()
	a.Tell(format, args...)
	return a.Answer()
}

// Main turns a process that Start began into the actor; in any other it returns.
func Main() {
	if os.Getenv(variable) == "" {
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := act(lines.Text())
		var errno syscall.Errno
		switch {
		case err == nil:
			fmt.Println(strings.TrimSpace("ok " + answer))
		case errors.As(err, &errno):
			fmt.Println(unix.ErrnoName(errno))
		default:
			fmt.Println(err)
		}
	}
	os.Exit(0)
}

func act(line string) (string, error) {
	verb, rest, _ := strings.Cut(line, " ")
	var n [5]int64
	count, _ := fmt.Sscan(rest, &n[0], &n[1], &n[2], &n[3], &n[4])
	id := int32(n[0])
	switch {
	case verb == "create" && count == 2:
		id, err := sys.MsgGet(int32(n[0]), int(n[1])|0o3000)
		return fmt.Sprint(id), err
	case verb == "get" && count == 1:
		id, err := sys.MsgGet(int32(n[0]), 0)
		return fmt.Sprint(id), err
	case verb == "getmode" && count == 2:
		id, err := sys.MsgGet(int32(n[0]), int(n[1]))
		return fmt.Sprint(id), err
	case verb == "send" && count == 4:
		return "", sys.MsgSend(id, n[1], make([]byte, n[2]), int(n[3]))
	case verb == "receive" && count == 4:
		got, t, err := sys.MsgReceive(id, make([]byte, n[2]), n[1], int(n[3]))
		return fmt.Sprint(t, got), err
	case verb == "pour" && count == 3:
		return "", pour(id, n[1], int(n[2]))
	case verb == "sink" && count == 3:
		good, err := sink(id, n[1], int(n[2]))
		return fmt.Sprint(good), err
	case verb == "stat":
		_, err := sys.MsgStat(id, sys.MsgStatID)
		return "", err
	case verb == "statany":
		_, err := sys.MsgStat(id, sys.MsgStatAny)
		return "", err
	case verb == "list":
		all, err := sysvctl.List()
		return fmt.Sprint(len(all)), err
	case verb == "set" && count == 5:
		return "", sys.MsgSet(id, uint32(n[1]), uint32(n[2]), uint32(n[3]), uint64(n[4]))
	case verb == "remove":
		return "", sys.MsgRemoveID(id)
	}
	return "", fmt.Errorf("unknown call %q", line)
}
