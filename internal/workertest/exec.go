package workertest

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"sallyport/pkg/scmrights"
)

// Main is TestMain for a package whose main is a worker: in the process that
// Exec starts it is the worker, elsewhere it runs the tests.
func Main(m *testing.M, worker func()) {
	if os.Getenv(scmrights.ChannelVariable) != "" {
		worker()
	}
	os.Exit(m.Run())
}

// Process is a worker in a process of its own. Wait for End before reading Stderr.
type Process struct {
	*Parent
	Cmd    *exec.Cmd
	Stderr bytes.Buffer
}

// Exec begins the worker of Main in a process of its own, unconfined, with the
// channel as descriptor 3. End gives the error of its exit.
func Exec(t testing.TB, epoch uint32, env ...string) *Process {
	t.Helper()
	// A program built with the race detector otherwise lingers for a second.
	return Program(t, epoch, exec.Command(os.Args[0]), append([]string{"GORACE=atexit_sleep_ms=0"}, env...)...)
}

// Program is Exec for any worker: cmd is ready but for its channel.
func Program(t testing.TB, epoch uint32, cmd *exec.Cmd, env ...string) *Process {
	t.Helper()
	p := &Process{Cmd: cmd}
	p.Parent = begin(t, epoch, func(channel *os.File) <-chan error {
		defer channel.Close()
		cmd.Env = append(cmd.Environ(), scmrights.ChannelVariable+"=3")
		cmd.Env = append(cmd.Env, env...)
		cmd.ExtraFiles = []*os.File{channel}
		cmd.Stderr = &p.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		return ended
	})
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}
