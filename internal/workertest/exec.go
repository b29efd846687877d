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
	p := &Process{}
	p.Parent = begin(t, epoch, func(channel *os.File) <-chan error {
		defer channel.Close()
		p.Cmd = exec.Command(os.Args[0])
		// A program built with the race detector otherwise lingers for a second.
		p.Cmd.Env = append(os.Environ(), scmrights.ChannelVariable+"=3", "GORACE=atexit_sleep_ms=0")
		p.Cmd.Env = append(p.Cmd.Env, env...)
		p.Cmd.ExtraFiles = []*os.File{channel}
		p.Cmd.Stderr = &p.Stderr
		if err := p.Cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- p.Cmd.Wait() }()
		return ended
	})
	t.Cleanup(func() { _ = p.Cmd.Process.Kill() })
	return p
}
