package confinement_test

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

// goWorker starts the victim of launchtest, a Go program, under sensor-read, as a
// worker that has said HELLO.
func goWorker(t *testing.T) (*launchtest.Victim, attest.Expect) {
	t.Helper()
	testenv.NeedRoot(t)
	l := newLauncher(t)
	exe, err := os.Open(built.Victim)
	if err != nil {
		t.Fatal(err)
	}
	f := filterOf(t, "sensor-read")
	said, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	v, err := launchtest.StartFile(l, exe, launch.Spec{Filter: f.program, Decide: f.decide, Data: 1 << 30, Stderr: said, Env: []string{"GOMAXPROCS=2", "GOMEMLIMIT=50MiB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.End(); err != nil {
			t.Error(err)
		}
		if b := v.Exit().Breach; b != nil {
			t.Errorf("a breach: %v", b)
		}
		if t.Failed() {
			text, err := os.ReadFile(said.Name())
			t.Logf("it ended with status %#x and said (%v):\n%.4000s", uint32(v.Exit().Status), err, text)
		}
		said.Close()
		exe.Close()
	})
	if err := v.Expect("up"); err != nil {
		t.Fatal(err)
	}
	v.SetPhase(launch.Running)
	own, err := attest.OwnFilters()
	if err != nil {
		t.Fatal(err)
	}
	return v, attest.Expect{UID: launchtest.UID, GID: launchtest.GID, Filters: own + 1, Exe: exe}
}

// TestProofsWhileItCollects: proofs with the kernel's dump are taken one after the
// other of a worker that allocates, collects and starts threads, and it lives on.
func TestProofsWhileItCollects(t *testing.T) {
	v, expect := goWorker(t)
	for _, word := range []string{"spin", "threads"} {
		if err := v.Tell(word); err != nil {
			t.Fatal(err)
		}
		if err := v.Expect(word + "=0"); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		if _, err := attest.Prove(v.Process, expect, attest.MaxLevel); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIdle: a worker that does nothing makes no call that its profile has not,
// such as the periodic ones of its runtime, for IDLE (1 s; `make hostile`: 60 s).
// The cleanup sees a breach.
func TestIdle(t *testing.T) {
	idle := time.Second
	if set := os.Getenv("IDLE"); set != "" {
		var err error
		if idle, err = time.ParseDuration(set); err != nil {
			t.Fatal(err)
		}
	}
	v, _ := goWorker(t)
	select {
	case <-v.Done():
		t.Errorf("it ended: %+v", v.Exit())
	case <-time.After(idle):
	}
}

// TestNoticesRaceWithSignals: signals come while the worker's start calls are
// decided. Each call is answered once, and no signal makes it another.
func TestNoticesRaceWithSignals(t *testing.T) {
	testenv.NeedRoot(t)
	v, err := launchtest.Start(newLauncher(t), built, launch.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.End()
	if err := v.Expect("up"); err != nil {
		t.Fatal(err)
	}
	if err := v.Tell("take-signals"); err != nil {
		t.Fatal(err)
	}
	if err := v.Expect("take-signals=0"); err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				_ = v.Signal(unix.SIGUSR1)
			}
		}
	}()
	for range 300 {
		if err := v.Tell("getppid"); err != nil {
			t.Fatal(err)
		}
		if err := v.Expect("getppid=1"); err != nil { // EPERM, as launchtest.Decide says
			t.Fatal(err)
		}
	}
	close(stop)
	<-ended
}
