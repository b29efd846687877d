package launch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// What goes wrong in the stage comes back in words, and nothing is left.
func TestStartFailsInWords(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	text := filepath.Join(t.TempDir(), "text")
	must(t, os.WriteFile(text, []byte("no program\n"), 0o755))
	notELF, err := os.Open(text)
	must(t, err)
	defer notELF.Close()
	// The stage could not even say that its exec failed.
	onlyExit := launchtest.Assemble(bpf.RetConstant{Val: 0x7fc00000})
	for name, c := range map[string]struct {
		spec launch.Spec
		want []string
	}{
		"not ELF":         {launch.Spec{Exe: notELF}, []string{"step exec", "execveat", "exec format error"}},
		"other call":      {launch.Spec{Exe: notELF, Filter: onlyExit}, []string{"a call that the filter does not admit", "while launching"}},
		"broken filter":   {launch.Spec{Filter: []byte("1234567")}, []string{"step exec", "filter of 7 bytes"}},
		"rejected filter": {launch.Spec{Filter: make([]byte, 64)}, []string{"step exec", "seccomp", "invalid argument"}},
		"exec allowed":    {launch.Spec{Filter: launchtest.Filter(unix.SYS_EXECVEAT)}, []string{"no notice of the exec"}},
		"killed":          {launch.Spec{Filter: launchtest.Assemble(bpf.RetConstant{Val: 0x80000000})}, []string{"no notice of the exec", "SIGSYS"}},
		"zero byte":       {launch.Spec{Args: []string{"a\x00b"}}, []string{"step exec", "arguments", "zero byte"}},
		"many files":      {launch.Spec{OpenFiles: 257}, []string{"257 open files"}},
		"uid 0":           {launch.Spec{GID: 5, UID: 0, Name: "root"}, []string{"never runs as root"}},
		"order too long":  {launch.Spec{Args: []string{strings.Repeat("x", 1<<20)}}, []string{"order for the stage"}},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.CheckFDs(t)
			if c.spec.GID != 0 {
				c.spec.Channel, c.spec.Exe, c.spec.Filter = notELF, notELF, []byte{1}
				_, err = l.Start(context.Background(), c.spec)
			} else {
				_, err = launchtest.Start(l, built, c.spec)
			}
			if err == nil {
				t.Fatal("started")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			t.Log(err)
		})
	}
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %v", err)
	}
}

// A stage whose supervisor is gone does not go on.
func TestStageSeesClosedChannel(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	worker := os.NewFile(uintptr(pair[1]), "worker's end")
	defer worker.Close()
	unix.Close(pair[0])
	exe, err := os.Open(built.Victim)
	must(t, err)
	defer exe.Close()
	_, err = l.Start(context.Background(), launch.Spec{Name: "late", Exe: exe, Channel: worker, UID: launchtest.UID, GID: launchtest.GID, Filter: launchtest.Filter()})
	if err == nil || !strings.Contains(err.Error(), "step parent") {
		t.Errorf("start with a closed channel: %v", err)
	}
}

func TestStartEndsWithContext(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	exe, err := os.Open(built.Victim)
	must(t, err)
	defer exe.Close()
	_, err = l.Start(ctx, launch.Spec{Name: "never", Exe: exe, Channel: exe, UID: launchtest.UID, GID: launchtest.GID, Filter: launchtest.Filter()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("start with a cancelled context: %v", err)
	}
}

func TestCloseEndsWorkers(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	v, w := start(t, l, launch.Spec{}), start(t, l, launch.Spec{})
	must(t, l.Close())
	for _, v := range []*launchtest.Victim{v, w} {
		select {
		case <-v.Done():
		default:
			t.Error("a worker is left after Close")
		}
	}
	if _, err := launchtest.Start(l, built, launch.Spec{}); !errors.Is(err, launch.ErrClosed) {
		t.Errorf("start after Close: %v", err)
	}
	must(t, l.Close())
}

func TestRestartsLeaveNothing(t *testing.T) {
	testenv.NeedRoot(t)
	l := newLauncher(t)
	once := func() {
		v, err := launchtest.Start(l, built, launch.Spec{})
		must(t, err)
		must(t, v.Expect("up"))
		must(t, v.End())
	}
	once() // what the runtime opens and keeps
	testenv.CheckFDs(t)
	restarts := 50
	if set := os.Getenv("RESTARTS"); set != "" {
		var err error
		restarts, err = strconv.Atoi(set)
		must(t, err)
	}
	for range restarts {
		once()
	}
	t.Logf("%d of %d starts clean", restarts, restarts)
}
