package launch_test

import (
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

// waitsForAnswer polls the victim's channel for a moment: nothing may come.
func waitsForAnswer(t *testing.T, v *launchtest.Victim) {
	t.Helper()
	set := []unix.PollFd{{Fd: int32(v.Channel.Fd()), Events: unix.POLLIN}}
	if n, err := unix.Poll(set, 50); n != 0 {
		t.Errorf("a suspended worker's call was answered (%v)", err)
	}
}

// TestSuspendedCallsWait: nobody decides while the process is suspended; the
// call that came meanwhile is decided afterwards. Others are served all the time.
func TestSuspendedCallsWait(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	v, other := start(t, l, launch.Spec{}), start(t, l, launch.Spec{})
	must(t, v.Expect("up"))
	must(t, other.Expect("up"))
	for range 20 {
		for range 2 { // twice is once
			if !l.Suspend(v.Process) {
				t.Fatal("not suspended")
			}
		}
		must(t, v.Tell("getppid"))
		must(t, other.Tell("getppid"))
		must(t, other.Expect("getppid=1"))
		l.Resume(v.Process)
		must(t, v.Expect("getppid=1"))
	}
	l.Suspend(v.Process)
	must(t, v.Tell("getppid"))
	waitsForAnswer(t, v)
	l.Resume(v.Process)
	must(t, v.Expect("getppid=1"))
}

// TestSuspendAllAtOnce: several at a time come to a stand and go on.
func TestSuspendAllAtOnce(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	var all []*launchtest.Victim
	for range 4 {
		v := start(t, l, launch.Spec{})
		must(t, v.Expect("up"))
		all = append(all, v)
	}
	for range 25 {
		var standing sync.WaitGroup
		for _, v := range all {
			standing.Go(func() {
				if !l.Suspend(v.Process) {
					t.Error("not suspended")
				}
			})
		}
		standing.Wait()
		for _, v := range all {
			l.Resume(v.Process)
		}
	}
	for _, v := range all {
		must(t, v.Tell("getppid"))
		must(t, v.Expect("getppid=1"))
	}
}

// TestSuspendedEndWaits: a worker that dies meanwhile is a zombie until somebody
// watches again, and then its end is known.
func TestSuspendedEndWaits(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	v := start(t, l, launch.Spec{})
	must(t, v.Expect("up"))
	l.Suspend(v.Process)
	must(t, v.Kill())
	select {
	case <-v.Done():
		t.Error("reaped while suspended")
	case <-time.After(50 * time.Millisecond):
	}
	l.Resume(v.Process)
	exit, err := v.Gone()
	must(t, err)
	if !exit.Status.Signaled() || exit.Status.Signal() != unix.SIGKILL {
		t.Errorf("status %#x", uint32(exit.Status))
	}
	if l.Suspend(v.Process) {
		t.Error("a process that is gone was suspended")
	}
}

// TestAdoptedProcess: another Launcher on the same thread goes on with a process:
// it decides its calls, knows its phase, and reaps it.
func TestAdoptedProcess(t *testing.T) {
	testenv.NeedRoot(t)
	stage, err := os.Open(built.Stage)
	must(t, err)
	defer stage.Close()
	thread := launch.NewThread()
	go thread.Serve()
	defer thread.Close()
	first, err := launch.NewOn(stage, thread)
	must(t, err)
	v, err := launchtest.Start(first, built, launch.Spec{})
	must(t, err)
	must(t, v.Expect("up"))
	if _, err := v.Export(); err == nil {
		t.Error("a process that is watched was exported")
	}
	first.Suspend(v.Process)
	must(t, v.Tell("getppid")) // is in the kernel meanwhile
	e, err := v.Export()
	must(t, err)
	text, err := json.Marshal(e)
	must(t, err)
	var left launch.Estate
	must(t, json.Unmarshal(text, &left))
	for _, n := range []*int{&left.PidFD, &left.Listener} { // an exec would leave the numbers
		*n, err = unix.FcntlInt(uintptr(*n), unix.F_DUPFD, 0)
		must(t, err)
	}

	second, err := launch.NewOn(stage, thread)
	must(t, err)
	for what, spoil := range map[string]func(*launch.Estate){
		"another process": func(e *launch.Estate) { e.PID = os.Getpid() },
		"of another time": func(e *launch.Estate) { e.Started++ },
		"no listener":     func(e *launch.Estate) { e.Listener = int(stage.Fd()) },
		"no pidfd":        func(e *launch.Estate) { e.PidFD = int(stage.Fd()) },
	} {
		bad := left
		spoil(&bad)
		if _, err := second.Adopt(bad, launchtest.Decide); err == nil {
			t.Errorf("%s: adopted", what)
		}
	}
	p, err := second.Adopt(left, launchtest.Decide)
	must(t, err)
	second.Resume(p)
	must(t, v.Expect("getppid=1"))
	notice, known := p.ExecNotice()
	if before, _ := v.ExecNotice(); !known || notice != before || p.Phase() != launch.Starting {
		t.Errorf("exec notice %+v, phase %v", notice, p.Phase())
	}
	p.SetPhase(launch.Running)
	must(t, v.Tell("getppid"))
	<-p.Done()
	if b := p.Exit().Breach; b == nil || b.Phase != launch.Running || !strings.Contains(b.Error(), "running") {
		t.Errorf("breach %+v", b)
	}
	must(t, second.Close())
	must(t, v.Channel.Close())
	first.Resume(v.Process) // its descriptors; the process is gone
	<-v.Done()
	must(t, first.Close())
}
