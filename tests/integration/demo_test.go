//go:build integration

package integration_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An event is one line of `sallyport demo --json`. The fields are those of all
// kinds together; Event says which kind it is.
type event struct {
	T      time.Time `json:"t"`
	Event  string    `json:"event"`
	Worker string    `json:"worker"`

	ProofLevel int `json:"proof_level"` // ready

	Sensor    string  `json:"sensor"` // reading, alert
	Value     float64 `json:"value"`
	Seq       uint64  `json:"seq"`
	Overtook  int     `json:"overtook"` // alert
	LatencyUS int64   `json:"latency_us"`

	Syscall string `json:"syscall"` // blocked
	Profile string `json:"profile"`
	Line    int    `json:"line"`

	Reason string   `json:"reason"` // exited
	Names  []string `json:"names"`  // regranted
	MS     float64  `json:"ms"`     // regranted, ready

	summary
}

// summary is the last line. A pointer, because a figure that is missing must
// not pass for zero.
type summary struct {
	Readings     *int `json:"readings"`
	Alerts       *int `json:"alerts"`
	Lost         *int `json:"lost"`
	InFlightLost *int `json:"in_flight_lost"`
	Dropped      *int `json:"dropped"`
	Blocked      *int `json:"blocked"`
	Regranted    *int `json:"regranted"`
	LeakedFDs    *int `json:"leaked_fds"`
	LeakedQueues *int `json:"leaked_queues"`
}

// demo is a running `sallyport demo --json`, or another command that prints
// events.
type demo struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
	err    error // of Wait, once ended

	mu     sync.Mutex
	events []event
}

// startDemo starts it in a folder of its own. It is killed at the end of the
// test if it still runs.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	return follow(t, exec.Command(built(t, "bin/sallyport"), append([]string{"demo", "--json"}, args...)...))
}

// built is the absolute path of a file that make built.
func built(t *testing.T, name string) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	return file
}

// follow starts a command that prints events.
func follow(t *testing.T, cmd *exec.Cmd) *demo {
	t.Helper()
	d := &demo{t: t, cmd: cmd, ended: make(chan struct{})}
	if d.cmd.Dir == "" {
		d.cmd.Dir = t.TempDir()
	}
	d.cmd.Stderr = &d.stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.take(lines.Bytes())
		}
		d.err = d.cmd.Wait()
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.ended
		if t.Failed() {
			t.Logf("standard error of the demo:\n%s", d.stderr.String())
		}
	})
	return d
}

func (d *demo) take(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Event == "" || e.T.IsZero() {
		d.t.Errorf("not an event with t and event: %q (%v)", line, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

// of returns the events of a kind that came so far.
func (d *demo) of(kind string) []event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.events), func(e event) bool { return e.Event != kind })
}

// wait waits until so many events of the kind came.
func (d *demo) wait(kind string, count int, within time.Duration) {
	d.t.Helper()
	enough := func() bool { return len(d.of(kind)) >= count }
	eventually(within, func() bool { return enough() || d.over() })
	if !enough() {
		d.t.Fatalf("%d %q events within %v, want %d; ended: %v", len(d.of(kind)), kind, within, count, d.over())
	}
}

// over says whether the command has ended.
func (d *demo) over() bool {
	select {
	case <-d.ended:
		return true
	default:
		return false
	}
}

// finish waits for the end of a healthy demo and returns its summary.
func (d *demo) finish(within time.Duration) event {
	d.t.Helper()
	last := d.last(within)
	if d.err != nil {
		d.t.Errorf("the demo ended with %v", d.err)
	}
	return last
}

// last waits for the end, healthy or not, and returns the summary, which must
// be the last line.
func (d *demo) last(within time.Duration) event {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(within):
		d.t.Fatalf("the demo still runs after %v", within)
	}
	if len(d.events) == 0 {
		d.t.Fatalf("the demo printed nothing, and ended with %v", d.err)
	}
	last := d.events[len(d.events)-1]
	if last.Event != "summary" {
		d.t.Fatalf("the last event is %q, want summary", last.Event)
	}
	return last
}

// figure is one number of the summary, which must be there.
func figure(t *testing.T, name string, value *int) int {
	t.Helper()
	if value == nil {
		t.Fatalf("the summary has no %s", name)
	}
	return *value
}

// leftovers compares processes, queues and mounts at the end with those now.
func leftovers(t *testing.T) {
	t.Helper()
	before := mounts(t)
	t.Cleanup(func() {
		if !eventually(2*time.Second, func() bool { return len(strays()) == 0 }) {
			t.Errorf("processes left behind: %v", strays())
		}
		if rows := queues(t); rows != 0 {
			t.Errorf("%d queues left behind", rows)
		}
		if after := mounts(t); !slices.Equal(before, after) {
			t.Errorf("mounts were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
	})
}

// strays are the processes other than the test itself.
func strays() []task {
	return slices.DeleteFunc(tasks(), func(p task) bool { return p.PID == os.Getpid() })
}
