package worker_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/lane"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/worker"
)

// How the worker of the next tests behaves is in this variable.
const actVariable = "SALLYPORT_TEST_ACT"

func TestMain(m *testing.M) {
	workertest.Main(m, func() {
		worker.Run(func(ctx context.Context, w *worker.Worker) error {
			switch os.Getenv(actVariable) {
			case "fail":
				return errors.New("the first line\nand the second")
			case "hang":
				if err := w.Ready(); err != nil {
					return err
				}
				select {}
			}
			return w.Every(ctx, time.Hour, func() error { return nil })
		})
	})
}

func status(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return map[bool]int{true: 0, false: -2}[err == nil]
}

func TestProcessEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		act    string
		end    func(*workertest.Process)
		status int
		stderr string
	}{
		"STOP":         {"", func(p *workertest.Process) { p.Stop() }, 0, ""},
		"SIGTERM":      {"", func(p *workertest.Process) { _ = p.Cmd.Process.Signal(syscall.SIGTERM) }, 0, ""},
		"parent gone":  {"hang", func(p *workertest.Process) { p.Conn.Close() }, 1, ""},
		"failed":       {"fail", nil, 1, "worker.test: the first line; and the second\n"},
		"rubbish":      {"", func(p *workertest.Process) { p.Send(lane.MsgStart, nil) }, 1, "worker.test: channel: START came twice\n"},
		"parent first": {"", func(p *workertest.Process) { p.Stop(); p.Conn.Close() }, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := workertest.Exec(t, 1, actVariable+"="+tc.act)
			p.Start(lane.Start{})
			if tc.end != nil {
				p.Ready()
				began := time.Now()
				tc.end(p)
				defer func() {
					if d := time.Since(began); d > time.Second {
						t.Errorf("it took %v", d)
					}
				}()
			}
			err := p.End()
			if got := status(err); got != tc.status && tc.status >= 0 {
				t.Errorf("exit status %d (%v), want %d", got, err, tc.status)
			}
			if got := p.Stderr.String(); got != tc.stderr {
				t.Errorf("standard error %q, want %q", got, tc.stderr)
			}
		})
	}
}

// A worker that is started by hand says what it is.
func TestProcessByHand(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), scmrights.ChannelVariable+"=0")
	out, err := cmd.CombinedOutput()
	if status(err) != 1 || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "supervisor") {
		t.Errorf("exit %v, %q", err, out)
	}
}
