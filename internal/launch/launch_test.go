package launch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
)

// builtVariable hands the binaries to a test that runs itself again.
const builtVariable = "SALLYPORT_LAUNCH_BUILT"

var built launchtest.Built

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if play := roles[os.Getenv(roleVariable)]; play != nil {
		if err := play(); err != nil {
			fmt.Fprintln(os.Stderr, "role:", err)
			return 1
		}
		return 0
	}
	if dir := os.Getenv(builtVariable); dir != "" {
		built = launchtest.Built{Dir: dir, Stage: filepath.Join(dir, "worker"), Victim: filepath.Join(dir, "victim")}
		return m.Run()
	}
	if os.Geteuid() == 0 {
		// A supervisor with groups, so that a worker's lack of them shows.
		err := syscall.Setgroups([]int{4, 5})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		built, err = launchtest.Build()
		defer os.RemoveAll(built.Dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		os.Setenv(builtVariable, built.Dir)
	}
	return m.Run()
}

func newLauncher(t *testing.T) *launch.Launcher {
	t.Helper()
	stage, err := os.Open(built.Stage)
	must(t, err)
	l, err := launch.New(stage)
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		stage.Close()
	})
	return l
}

func start(t *testing.T, l *launch.Launcher, spec launch.Spec) *launchtest.Victim {
	t.Helper()
	v, err := launchtest.Start(l, built, spec)
	must(t, err)
	t.Cleanup(func() {
		if err := v.End(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
