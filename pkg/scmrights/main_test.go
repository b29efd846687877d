package scmrights_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/pkg/scmrights"
)

const roleVariable = "SCMRIGHTS_TEST_ROLE"

// roles are the workers that tests start as processes of their own.
var roles = map[string]func() error{
	"idle":  func() error { return nil },
	"deaf":  deaf,
	"taker": taker,
	"full":  full,
	"short": short,
	"raw":   rawChild,
	"store": store,
	"trick": trick,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := roles[role](); err != nil {
			fmt.Fprintf(os.Stderr, "worker %s: %v\n", role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	fault.Point("W1") // the plan is read now: what tests put into the environment is for their children
	// os/exec and the poller open descriptors once and keep them.
	warm := exec.Command("/proc/self/exe")
	warm.Env = append(os.Environ(), roleVariable+"=idle")
	if err := warm.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// worker starts a process in a role and connects to it. The process is killed
// and waited for at the end of the test.
func worker(t testing.TB, role string, cfg scmrights.Config) (*scmrights.Conn, *exec.Cmd) {
	t.Helper()
	parent, end, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role, scmrights.ChannelVariable+"=3", "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{end}
	cmd.Stderr = os.Stderr
	pidfd := -1
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	cfg.PID = cmd.Process.Pid
	if pidfd >= 0 {
		cfg.PidFD = os.NewFile(uintptr(pidfd), "pidfd")
		t.Cleanup(func() { cfg.PidFD.Close() })
	}
	conn, err := scmrights.NewConn(parent, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, cmd
}

// greet waits for the worker's HELLO and answers.
func greet(t testing.TB, conn *scmrights.Conn) {
	t.Helper()
	if _, err := conn.Hello(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Welcome(1); err != nil {
		t.Fatal(err)
	}
}

func attach() (*scmrights.Peer, error) {
	f, err := scmrights.Inherited()
	if err != nil {
		return nil, err
	}
	return scmrights.Attach(f)
}

// deaf attaches and reads nothing after that.
func deaf() error {
	if _, err := attach(); err != nil {
		return err
	}
	time.Sleep(time.Hour) // until it is killed
	return nil
}

// taker takes one offer and exits at once, with input unread.
func taker() error {
	p, err := attach()
	if err != nil {
		return err
	}
	e, err := p.Receive(context.Background())
	if err != nil {
		return err
	}
	if len(e.Grants) == 0 {
		return fmt.Errorf("no grants in %+v", e)
	}
	return nil
}

// full has no free descriptor number until a message tells it to make some.
func full() error {
	p, err := attach()
	if err != nil {
		return err
	}
	var fillers []int
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}, nil); err != nil {
		return err
	}
	for {
		n, err := unix.Dup(0)
		if err != nil {
			break
		}
		fillers = append(fillers, n)
	}
	if _, err := p.Send(1, []byte("full")); err != nil {
		return err
	}
	for {
		e, err := p.Receive(context.Background())
		switch {
		case err != nil:
			return nil // the parent is gone
		case e.Message != nil:
			free := int(e.Message.Body[0])
			for _, n := range fillers[:free] {
				_ = unix.Close(n)
			}
			fillers = fillers[free:]
			if _, err := p.Send(2, nil); err != nil {
				return err
			}
		case len(e.Grants) != 0:
			text := make([]byte, 64)
			n, _ := e.Grants[0].File().ReadAt(text, 0)
			if _, err := p.Send(3, text[:n]); err != nil {
				return err
			}
		}
	}
}

// short is a level-1 worker: no HELLO, one byte as receipt.
func short() error {
	buf, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*253))
	_, oobn, _, _, err := unix.Recvmsg(3, buf, control, 0)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil {
		return err
	}
	rights, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	pipe := rights[len(rights)-1]
	if _, err := unix.Write(pipe, []byte{6}); err != nil {
		return err
	}
	_ = unix.Close(pipe)
	time.Sleep(time.Hour) // until it is killed
	return nil
}
