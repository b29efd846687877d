package launch_test

import (
	"fmt"
	"os"
	"testing"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

var built launchtest.Built

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Geteuid() == 0 && os.Getenv("LAUNCH_TEST_STAGE") == "" {
		var err error
		built, err = launchtest.Build()
		defer os.RemoveAll(built.Dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

func newLauncher(t *testing.T) *launch.Launcher {
	t.Helper()
	stage, err := os.Open(built.Stage)
	if err != nil {
		t.Fatal(err)
	}
	l, err := launch.New(stage)
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
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

func TestStartRunsPlugin(t *testing.T) {
	testenv.NeedRoot(t)
	must(t, launch.Probe())
	v := start(t, newLauncher(t), launch.Spec{})
	must(t, v.Expect("up"))
	if _, ok := v.ExecNotice(); !ok {
		t.Error("no exec notice")
	}
	if v.Phase() != launch.Starting {
		t.Errorf("phase %v", v.Phase())
	}
}
