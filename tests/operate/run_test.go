package operate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/testenv"
)

// patience is more than anything takes that a test waits for.
const patience = 60 * time.Second

// running is a supervisor of its own.
type running struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	client control.Client
	log    testenv.Log
}

// status is what the tests look at of a worker.
type status struct {
	Worker, State string
	PID           int
	Epoch         uint32
	LastExit      string `json:"last_exit"`
}

func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func bin(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "supervisor")); err != nil {
		t.Skip("needs bin/supervisor: make build")
	}
	return dir
}

func build(t *testing.T, dir, name string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(dir, name), "./"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// start runs the built supervisor; DIR in the configuration is dir.
func start(t *testing.T, dir, configuration string) *running {
	t.Helper()
	testenv.NeedRoot(t)
	programs := bin(t)
	file := filepath.Join(dir, "test.hcl")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(configuration, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &running{t: t, dir: dir, client: control.Client{Path: filepath.Join(dir, "control")}}
	s.cmd = exec.Command(filepath.Join(programs, "sallyport"), "run", file)
	s.cmd.Stderr = &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// stop ends it in order; what it leaves behind is a failure.
func (s *running) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	err := s.cmd.Wait()
	if text := s.log.String(); err != nil || !strings.Contains(text, "leaked_fds=0 leaked_queues=0") {
		s.t.Errorf("the supervisor ended with %v:\n%s", err, text[max(0, len(text)-4000):])
	}
}

// statuses asks for all workers; nil while nobody answers.
func (s *running) statuses() []status {
	items, err := s.client.Ask(context.Background(), "status", nil)
	if err != nil {
		return nil
	}
	var all []status
	for _, item := range items[1:] {
		var st status
		if err := json.Unmarshal(item, &st); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, st)
	}
	return all
}

func (s *running) status(worker string) status {
	for _, st := range s.statuses() {
		if st.Worker == worker {
			return st
		}
	}
	return status{}
}

func (s *running) await(worker, state string) status {
	s.t.Helper()
	var st status
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if st = s.status(worker); st.State == state {
			return st
		}
	}
	text := s.log.String()
	s.t.Fatalf("%s is %s, want %s\n%s", worker, st.State, state, text[max(0, len(text)-4000):])
	return st
}

// sallyport runs the command on this supervisor.
func (s *running) sallyport(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(bin(s.t), "sallyport"), append(args, "--socket", s.client.Path)...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("sallyport %v: %v\n%s", args, err, text)
	}
	return string(text)
}

// resident is the supervisor's resident memory in KiB.
func (s *running) resident() (kib int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib
		}
	}
	s.t.Fatal("no VmRSS")
	return 0
}
