package programs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/testenv"
)

const patience = 60 * time.Second

// running is a supervisor with one worker, "it", that has the socket "request".
type running struct {
	t       *testing.T
	dir     string
	request string
	cmd     *exec.Cmd
	log     testenv.Log
	stopped sync.Once
}

const configuration = `
supervisor {
  name    = "programs"
  ids     = "22000-22099"
  waive   = ["landlock", "cgroup-memory"]
  control = "%[1]s/control"
}
socket "request" {
  listen = "unix://%[1]s/request"
  mode   = "0666"
}
worker "it" {
  policy   = "c-basic"
  sockets  = ["request"]
  restart {
    when    = "always"
    backoff = "1ms..5ms"
    give_up = "60000 in 1h"
  }
%[2]s
}
`

// start runs the built supervisor with the rest of the worker's block; pairs of
// texts replace others in the configuration.
func start(t *testing.T, worker string, pairs ...string) *running {
	t.Helper()
	return startWith(t, func(dir string) string {
		return strings.NewReplacer(pairs...).Replace(fmt.Sprintf(configuration, dir, worker))
	})
}

// startWith runs it with a configuration for a directory, which has the control
// socket at control.
func startWith(t *testing.T, configured func(dir string) string) *running {
	t.Helper()
	testenv.NeedRoot(t)
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "supervisor")); err != nil {
		t.Skip("needs bin/supervisor: make build")
	}
	r := &running{t: t, dir: t.TempDir()}
	// Only root and the group come near the directory of a test otherwise.
	if err := os.Chmod(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.request = filepath.Join(r.dir, "request")
	file := filepath.Join(r.dir, "programs.hcl")
	if err := os.WriteFile(file, []byte(configured(r.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(filepath.Join(bin, "sallyport"), "run", file)
	r.cmd.Stderr = &r.log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stopped.Do(r.stop) })
	return r
}

// stop ends the supervisor in order; what it counts as left behind is a failure.
func (r *running) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	err := r.cmd.Wait()
	if err != nil || !strings.Contains(r.log.String(), "leaked_fds=0 leaked_queues=0") {
		r.t.Errorf("the supervisor ended with %v:\n%s", err, r.log.String())
	}
	if _, err := os.Lstat(r.request); !errors.Is(err, os.ErrNotExist) {
		r.t.Errorf("the socket is left: %v", err)
	}
	if r.t.Failed() {
		r.t.Log(r.log.String())
	}
}

type status struct {
	Worker, State, Says string
	PID, Epoch          int
	LastExit            string `json:"last_exit"`
	ProofLevel          int    `json:"proof_level"`
	Grants              []struct{ Name string }
}

// until waits for a status that fits.
func (r *running) until(what string, fits func(status) bool) status {
	r.t.Helper()
	return r.untilWithin(patience, what, fits)
}

func (r *running) untilWithin(patience time.Duration, what string, fits func(status) bool) status {
	r.t.Helper()
	var last status
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		last = r.status()
		if fits(last) {
			return last
		}
	}
	r.t.Fatalf("%s: not within %v, last %+v\n%s", what, patience, last, r.log.String())
	return last
}

// status asks over the control socket; it is empty while nobody answers.
func (r *running) status() (st status) {
	conn, err := net.Dial("unix", filepath.Join(r.dir, "control"))
	if err != nil {
		return st
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte(`{"v":1,"verb":"status","args":{},"follow":false}` + "\n")); err != nil {
		return st
	}
	for lines := json.NewDecoder(conn); ; {
		var line struct {
			Item status
			End  bool
		}
		if err := lines.Decode(&line); err != nil || line.End {
			return st
		}
		if line.Item.Worker == "it" {
			st = line.Item
		}
	}
}

func ready(st status) bool { return st.State == "ready" }

// ask sends one request and returns the whole answer of want bytes at most.
func (r *running) ask(request []byte, want int) ([]byte, error) {
	conn, err := net.Dial("unix", r.request)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	answer := make([]byte, want)
	n := 0
	for n < want {
		m, err := conn.Read(answer[n:])
		n += m
		if err != nil {
			return answer[:n], err
		}
	}
	return answer[:n], nil
}
