package attest_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/seccomp/pidpin"
	"sallyport/internal/testenv"
)

// The kernel's dump is the program with the worker's pid in it, and no other.
func TestDumpIsTheFilterLoaded(t *testing.T) {
	filter := launchtest.Own()
	v, _ := victim(t, launch.Spec{Filter: filter})
	pinned := pidpin.Pin(filter, v.PID())
	if err := attest.CheckDump(v.Process, sha256.Sum256(pinned)); err != nil {
		t.Error(err)
	}
	for name, other := range map[string][]byte{
		"not pinned": filter, "pinned to another": pidpin.Pin(filter, 1), "shorter": pinned[8:],
	} {
		err := attest.CheckDump(v.Process, sha256.Sum256(other))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%x", sha256.Sum256(other))) {
			t.Errorf("%s: %v", name, err)
		}
	}
	alive(t, v)
}

// alive sees the worker do something.
func alive(t *testing.T, v *launchtest.Victim) {
	t.Helper()
	if err := v.Tell("pgid-own"); err != nil {
		t.Fatal(err)
	}
	if err := v.Expect("pgid-own=0"); err != nil {
		t.Error(err)
	}
}

// Threads that are started meanwhile are stopped and looked at too.
func TestDumpWhileThreadsCome(t *testing.T) {
	v, expect := victim(t, launch.Spec{Filter: launchtest.Filter(unix.SYS_GETPGID)})
	for range 4 {
		if err := v.Tell("threads"); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if _, err := attest.Prove(v.Process, expect, 4); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		if err := v.Expect("threads=0"); err != nil {
			t.Fatal(err)
		}
	}
	alive(t, v)
}

// A call that waits for its answer is left alone until it has it, and then the
// dump is taken.
func TestDumpWaitsForTheAnswer(t *testing.T) {
	inHand, goOn := make(chan struct{}), make(chan struct{})
	v, expect := victim(t, launch.Spec{Decide: func(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
		if nr == unix.SYS_GETPPID {
			inHand <- struct{}{}
			<-goOn
		}
		return launchtest.Decide(phase, nr, args)
	}})
	if err := v.Tell("getppid"); err != nil {
		t.Fatal(err)
	}
	<-inHand
	proved := make(chan error, 1)
	go func() {
		_, err := attest.Prove(v.Process, expect, 4)
		proved <- err
	}()
	select {
	case err := <-proved:
		t.Errorf("with a notice in hand: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	if err := <-proved; err != nil {
		t.Error(err)
	}
	if err := v.Expect("getppid=1"); err != nil {
		t.Error(err)
	}
}

// Signals that come while a thread is stopped for the dump come all the same.
func TestDumpLosesNoSignal(t *testing.T) {
	v, expect := victim(t, launch.Spec{})
	if err := v.Tell("echo-signals"); err != nil {
		t.Fatal(err)
	}
	if err := v.Expect("echo-signals=0"); err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			if err := attest.CheckDump(v.Process, mustNotice(v).Filter); err != nil {
				ended <- err
				return
			}
		}
	}()
	for range 200 {
		if err := v.Signal(unix.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		if err := v.Expect("signal"); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := attest.Prove(v.Process, expect, 1); err != nil {
		t.Error(err)
	}
}

func mustNotice(v *launchtest.Victim) launch.ExecNotice {
	n, _ := v.ExecNotice()
	return n
}

// A worker that is killed in the middle is reaped with its own status, and no
// proof of it is taken.
func TestDumpOfADyingWorker(t *testing.T) {
	testenv.NeedRoot(t)
	for i := range 20 {
		v, expect := victim(t, launch.Spec{Filter: launchtest.Filter(unix.SYS_GETPGID)})
		if err := v.Tell("threads"); err != nil {
			t.Fatal(err)
		}
		killed := make(chan error, 1)
		go func() {
			time.Sleep(time.Duration(i) * 50 * time.Microsecond) // somewhere in the proof
			killed <- v.Kill()
		}()
		for {
			if _, err := attest.Prove(v.Process, expect, 4); err != nil {
				// Its threads go one by one, on a busy machine slowly: any of
				// them may be missed first. That it drifted is never said.
				for _, drift := range []string{"Seccomp", "SHA-256", "another filter", "did not stop"} {
					if strings.Contains(err.Error(), drift) {
						t.Errorf("run %d: %v", i, err)
					}
				}
				break
			}
		}
		if err := <-killed; err != nil {
			t.Error(err)
		}
		exit, err := v.Gone()
		if err != nil {
			t.Fatal(err)
		}
		if !exit.Status.Signaled() || exit.Status.Signal() != unix.SIGKILL {
			t.Errorf("run %d: status %#x, want SIGKILL", i, uint32(exit.Status))
		}
	}
}

// dumpVariable makes this test binary say what Dumps says under a filter.
const dumpVariable = "SALLYPORT_ATTEST_DUMPS"

func TestDumpsNeedsNoFilterOfItsOwn(t *testing.T) {
	testenv.NeedRoot(t)
	if err := attest.Dumps(); err != nil {
		t.Error(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{dumpVariable + "=1"}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "runs under 1 seccomp filters") || !strings.Contains(string(out), "seccomp=unconfined") {
		t.Errorf("%v: %s", err, out)
	}
}

// dumpsUnderFilter executes this binary again under a filter that allows all.
func dumpsUnderFilter() error {
	if own, err := attest.OwnFilters(); err != nil || own > 0 {
		fmt.Println(attest.Dumps())
		return err
	}
	return launchtest.ExecUnder(launchtest.Assemble(bpf.RetConstant{Val: 0x7fff0000}), os.Environ())
}

// A thread that somebody else traces cannot be looked at, and those that were
// looked at before it are let go: the worker dies as ever.
func TestDumpBesideAnotherTracer(t *testing.T) {
	v, expect := victim(t, launch.Spec{})
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", v.PID()))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	last, err := strconv.Atoi(tasks[len(tasks)-1].Name())
	if err != nil {
		t.Fatal(err)
	}
	traced, goOn, ended := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		runtime.LockOSThread() // its end lets the thread go
		traced <- unix.PtraceSeize(last)
		<-goOn
		close(ended)
	}()
	if err := <-traced; err != nil {
		t.Fatal(err)
	}
	if _, err := attest.Prove(v.Process, expect, 4); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("ptrace of thread %d: operation not permitted", last)) {
		t.Errorf("beside another tracer: %v", err)
	}
	close(goOn)
	<-ended
	if err := v.Kill(); err != nil {
		t.Fatal(err)
	}
	exit, err := v.Gone()
	if err != nil {
		t.Fatal(err)
	}
	if !exit.Status.Signaled() || exit.Status.Signal() != unix.SIGKILL {
		t.Errorf("status %#x, want SIGKILL", uint32(exit.Status))
	}
}
