package launch_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

func isErrno(err error, want unix.Errno) bool { return errors.Is(err, want) }

// Every way to execute something after the start is a breach that is named.
func TestExecIsBreach(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	for _, c := range []struct {
		word  string
		nr    int32
		arg0  uint64
		check bool // arg0
	}{
		{"execve", unix.SYS_EXECVE, 0, false},
		{"execveat-1000", unix.SYS_EXECVEAT, 1000, true},
		{"execveat-3", unix.SYS_EXECVEAT, 3, true},
		{"fork-exec", unix.SYS_EXECVE, 0, false},
	} {
		for _, phase := range []launch.Phase{launch.Starting, launch.Running} {
			t.Run(c.word+" "+phase.String(), func(t *testing.T) {
				v := start(t, l, launch.Spec{Filter: launchtest.Filter(unix.SYS_PIPE2)})
				must(t, v.Expect("up"))
				v.SetPhase(phase)
				must(t, v.Tell(c.word))
				exit, err := v.Gone()
				must(t, err)
				b := exit.Breach
				if b == nil {
					t.Fatalf("no breach, status %#x", uint32(exit.Status))
				}
				if b.Nr != c.nr || (c.check && b.Args[0] != c.arg0) || b.Phase != phase || b.IP == 0 || b.Arch == 0 || b.TID == 0 {
					t.Errorf("breach %+v", b)
				}
				if !exit.Status.Signaled() || exit.Status.Signal() != unix.SIGKILL {
					t.Errorf("status %#x, want SIGKILL", uint32(exit.Status))
				}
				if b.TID != v.PID() { // of a fork, or a thread: gone as well
					waitGone(t, b.TID)
				}
				if answer, _ := v.Hear(); answer != "" {
					t.Errorf("the call was answered: %q", answer)
				}
			})
		}
	}
}

// Without the table of phases the second latch stands: descriptor 1000 went with
// the exec, and no limit of open files lets it come back.
func TestExecLatchOfDescriptorAlone(t *testing.T) {
	testenv.NeedRoot(t)
	v := start(t, newLauncher(t), launch.Spec{OpenFiles: 256, Filter: launchtest.Filter(unix.SYS_DUP3),
		Decide: func(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
			if nr == unix.SYS_EXECVEAT {
				return launch.Verdict{Continue: true}
			}
			return launchtest.Decide(phase, nr, args)
		}})
	must(t, v.Expect("up"))
	v.SetPhase(launch.Running)
	for _, word := range []string{"execveat-1000", "dup-1000", "execveat-1000"} {
		must(t, v.Tell(word))
		must(t, v.Expect(word+"=9")) // EBADF
	}
}

// A process that the worker forked does not outlive the breach it commits.
func TestBreachOfFork(t *testing.T) {
	testenv.NeedRoot(t)
	v := start(t, newLauncher(t), launch.Spec{})
	must(t, v.Expect("up"))
	v.SetPhase(launch.Running)
	must(t, v.Tell("fork"))
	exit, err := v.Gone()
	must(t, err)
	b := exit.Breach
	if b == nil || b.Nr != unix.SYS_GETPPID || b.TID == v.PID() {
		t.Fatalf("breach %+v of worker %d", b, v.PID())
	}
	waitGone(t, b.TID)
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Second); unix.Kill(pid, 0) == nil; {
		if text, err := os.ReadFile("/proc/" + itoa(pid) + "/stat"); err == nil && strings.Contains(string(text), ") Z ") {
			return // dead, and not ours to reap
		}
		if time.Now().After(deadline) {
			_ = unix.Kill(pid, unix.SIGKILL)
			t.Fatalf("process %d still lives", pid)
		}
		time.Sleep(time.Millisecond)
	}
}

// A call of the start block is answered while Starting and a breach after it.
func TestStartCallEndsWithStart(t *testing.T) {
	testenv.NeedRoot(t)
	v := start(t, newLauncher(t), launch.Spec{Args: []string{"victim", "getppid"}})
	must(t, v.Expect("getppid=1")) // EPERM
	must(t, v.Expect("up"))
	v.SetPhase(launch.Running)
	v.SetPhase(launch.Starting) // no way back
	must(t, v.Tell("getppid"))
	exit, err := v.Gone()
	must(t, err)
	if b := exit.Breach; b == nil || b.Nr != unix.SYS_GETPPID || b.Phase != launch.Running {
		t.Errorf("breach %+v", b)
	}
}

// SetPhase does not return while a notice is judged by the phase before.
func TestSetPhaseWaitsForNotice(t *testing.T) {
	testenv.NeedRoot(t)
	inHand, goOn := make(chan struct{}), make(chan struct{})
	spec := launch.Spec{Decide: func(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
		if nr == unix.SYS_GETPPID && phase == launch.Starting {
			inHand <- struct{}{}
			<-goOn
		}
		return launchtest.Decide(phase, nr, args)
	}}
	v := start(t, newLauncher(t), spec)
	must(t, v.Expect("up"))
	must(t, v.Tell("getppid"))
	<-inHand
	set := make(chan struct{})
	go func() { v.SetPhase(launch.Running); close(set) }()
	select {
	case <-set:
		t.Error("SetPhase returned with a notice in hand")
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	<-set
	must(t, v.Expect("getppid=1"))
	must(t, v.Tell("getppid"))
	exit, err := v.Gone()
	must(t, err)
	if exit.Breach == nil {
		t.Error("no breach after SetPhase")
	}
}

// A worker that dies while its call waits is reaped, whether it dies of
// itself or is killed, and the notice does not hold anybody up.
func TestDeathWithNoticeInHand(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	inHand, goOn := make(chan struct{}), make(chan struct{})
	v := start(t, l, launch.Spec{Decide: func(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
		if nr == unix.SYS_GETPPID {
			inHand <- struct{}{}
			<-goOn
		}
		return launchtest.Decide(phase, nr, args)
	}})
	must(t, v.Expect("up"))
	must(t, v.Tell("getppid"))
	<-inHand
	must(t, v.Kill())
	close(goOn)
	exit, err := v.Gone()
	must(t, err)
	if exit.Breach != nil || exit.Status.Signal() != unix.SIGKILL {
		t.Errorf("exit %+v", exit)
	}
	if err := v.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill of the dead: %v", err)
	}
}

func TestExitStatus(t *testing.T) {
	testenv.NeedRoot(t)
	v := start(t, newLauncher(t), launch.Spec{})
	must(t, v.Expect("up"))
	must(t, v.Tell("exit"))
	exit, err := v.Gone()
	must(t, err)
	if !exit.Status.Exited() || exit.Status.ExitStatus() != 7 || exit.Breach != nil {
		t.Errorf("exit %+v, want code 7", exit)
	}
}

func TestIsLaunchExec(t *testing.T) {
	const nr, garbage = unix.SYS_EXECVEAT, 0xdead << 32
	for _, c := range []struct {
		nr   int32
		args [6]uint64
		want bool
	}{
		{nr, [6]uint64{1000, 1, 2, 3, unix.AT_EMPTY_PATH, 5}, true},
		{nr, [6]uint64{garbage | 1000, 1, 2, 3, garbage | unix.AT_EMPTY_PATH}, true}, // the kernel takes the low words
		{nr, [6]uint64{1001, 1, 2, 3, unix.AT_EMPTY_PATH}, false},
		{nr, [6]uint64{1000, 1, 2, 3, 0}, false},
		{nr, [6]uint64{1000, 1, 2, 3, unix.AT_EMPTY_PATH | unix.AT_SYMLINK_NOFOLLOW}, false},
		{unix.SYS_EXECVE, [6]uint64{1000, 1, 2, 3, unix.AT_EMPTY_PATH}, false},
	} {
		if got := launch.IsLaunchExec(c.nr, c.args); got != c.want {
			t.Errorf("call %d%v: %v", c.nr, c.args, got)
		}
	}
}
