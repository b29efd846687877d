package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// programsVariable tells a test in a process of its own where they are built.
const programsVariable = "SALLYPORT_TEST_PROGRAMS"

var built struct {
	once sync.Once
	dir  string
	err  error
}

// programs builds everything that belongs together, once, and gives its folder.
func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(programsVariable); dir != "" {
		return dir
	}
	built.once.Do(func() {
		// Not t.TempDir: that goes with the first test. Others may look in, for
		// the demo of a user who is not root.
		built.dir, built.err = os.MkdirTemp("", "sallyport-programs-")
		built.err = errors.Join(built.err, os.Chmod(built.dir, 0o755), os.Mkdir(built.dir+"/workers", 0o755),
			build("1", built.dir+"/supervisor", "sallyport/cmd/supervisor"),
			build("0", built.dir+"/", "sallyport/cmd/sallyport", "sallyport/cmd/worker"),
			build("0", built.dir+"/workers/", "sallyport/examples/sensor-logger/..."))
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

func build(cgo, out string, packages ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-buildvcs=false", "-o", out}, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

func command(t *testing.T) string { return filepath.Join(programs(t), "sallyport") }
