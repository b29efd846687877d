package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sallyport/internal/control"
)

// subject is a supervisor that is measured.
type subject struct {
	dir    string
	cmd    *exec.Cmd
	client control.Client
}

type workerState struct {
	Worker, State string
	PID           int
	Epoch         uint32
}

// start runs one with so many workers, each of which has a file and a simulated
// input, and sends what it reads every so often.
func start(bin string, workers int, every string) (*subject, error) {
	dir, err := os.MkdirTemp("", "bench-supervisor-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "bench.hcl")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(file, []byte(configuration(dir, workers, every)), 0o600)); err != nil {
		return nil, err
	}
	s := &subject{dir: dir, client: control.Client{Path: filepath.Join(dir, "control")}}
	s.cmd = exec.Command(filepath.Join(bin, "sallyport"), "run", "--log-level", "error", file)
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return s, s.cmd.Start()
}

func configuration(dir string, workers int, every string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `supervisor {
  ids     = "24000-24255"
  control = "%s/control"
  waive   = ["landlock", "cgroup-memory"]
}
defaults {
  restart {
    when    = "always"
    backoff = "1ms..2ms"
    give_up = "60000 in 1h"
  }
}
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
`, dir)
	for i := range workers {
		fmt.Fprintf(&b, `device "load%[1]d" { file = { path = "/proc/loadavg", decode = "field:0" } }
device "sim%[1]d" {
  sim = { wave = "pulse", period = "1h", after = "1m", for = "1m", min = 0, max = 1 }
}
worker "w%[1]d" {
  command  = ["worker", "read"]
  settings = { every = %[2]q }
  devices  = ["load%[1]d", "sim%[1]d"]
  policy   = "sensor-read"
  queue "readings" { send = ["reading", "alert"] }
}
`, i, every)
	}
	return b.String()
}

func (s *subject) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	if err := s.cmd.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-supervisor: the supervisor ended with", err)
	}
	_ = os.RemoveAll(s.dir)
}

func (s *subject) pidOf() int { return s.cmd.Process.Pid }

func (s *subject) workers(ctx context.Context) ([]workerState, error) {
	items, err := s.client.Ask(ctx, "status", nil)
	if err != nil {
		return nil, err
	}
	var all []workerState
	for _, item := range items[1:] {
		var w workerState
		if err := json.Unmarshal(item, &w); err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// ready waits until so many workers are.
func (s *subject) ready(ctx context.Context, want int) error {
	for began := time.Now(); time.Since(began) < late; time.Sleep(5 * time.Millisecond) {
		all, err := s.workers(ctx)
		if err != nil {
			continue // it does not answer yet
		}
		n := 0
		for _, w := range all {
			if w.State == "ready" {
				n++
			}
		}
		if n == want {
			return nil
		}
	}
	return fmt.Errorf("not %d workers are ready after %v", want, late)
}

func (s *subject) pid(ctx context.Context, worker string) (int, error) {
	all, err := s.workers(ctx)
	for _, w := range all {
		if w.Worker == worker && w.PID > 0 {
			return w.PID, nil
		}
	}
	return 0, fmt.Errorf("no process of %s: %w", worker, err)
}

// events gives what happens from now on, readings left out.
func (s *subject) events(ctx context.Context) <-chan control.Event {
	out := make(chan control.Event, 1024)
	go func() {
		defer close(out)
		for line, err := range s.client.Events(ctx) {
			if err != nil {
				return
			}
			_, e, err := control.Decode(line)
			if _, routine := e.(control.Reading); err == nil && !routine {
				out <- e
			}
		}
	}()
	return out
}

func await(events <-chan control.Event, fits func(control.Event) bool) (control.Event, error) {
	over := time.After(late)
	for {
		select {
		case e, open := <-events:
			if !open {
				return nil, errors.New("the events ended")
			}
			if fits(e) {
				return e, nil
			}
		case <-over:
			return nil, fmt.Errorf("nothing within %v", late)
		}
	}
}

// cpu is what all threads of a process have run, from their schedstat: its first
// number is nanoseconds.
func cpu(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that ended
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, fmt.Errorf("%s: %w", task, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// resident is in KiB.
func resident(pid int) (kib int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib, nil
		}
	}
	return 0, errors.New("no VmRSS")
}
