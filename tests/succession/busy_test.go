package succession_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
)

// busy is a sensor logger in a hurry: readings every 2 ms and an alert every
// 200 ms, to two receivers.
const busy = `
supervisor {
  name    = "busy"
  ids     = "%[3]s"
  waive   = ["landlock", "cgroup-memory"]
  control = "%[1]s/control"
}
device "load" { file = { path = "/proc/loadavg", decode = "field:0" } }
device "sine" { sim  = { wave = "sine", period = "1s", min = 18, max = 26 } }
device "fridge" { sim = { wave = "pulse", period = "200ms", after = "20ms", for = "100ms", min = 4, max = 9 } }
device "lamp" {
  sim    = {}
  output = true
}
directory "data" {
  path = "%[1]s/data"
  mode = "append-segments"
}
queue "readings" {
  urgent {
    bands = { alert = 1 }
  }
  routine {
    bands = { reading = 9 }
    bytes = "64KiB"
  }
}
worker "sampler" {
  command  = ["sampler"]
  settings = { every = "2ms", alert = "fridge > 8" }
  devices  = ["load", "sine", "fridge"]
  policy   = "sensor-read"
  queue "readings" { send = ["reading", "alert"] }
}
worker "store" {
  command     = ["store"]
  settings    = { batch = "5ms" }
  directories = ["data"]
  policy      = "append-only"
  queue "readings" { receive = ["*"] }
}
worker "alarm" {
  command  = ["alarm"]
  settings = { hold = "50ms" }
  devices  = ["lamp"]
  policy   = "gpio-line"
  queue "readings" { receive = ["*"] }
}
defaults {
  restart {
    when    = "always"
    backoff = "1ms..2ms"
    give_up = "60000 in 1h"
  }
}
`

// upgrading starts the busy logger and waits until it is at work.
func upgrading(t *testing.T, prepare func(*exec.Cmd)) *running {
	t.Helper()
	dir, file := home(t, busy)
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := launch(t, dir, file, prepare)
	until(t, "three workers that are ready", func() bool {
		select {
		case <-r.ended:
			t.Fatalf("the supervisor ended: %v", r.err)
		default:
		}
		return r.ready() == 3
	})
	return r
}

type workerStatus struct {
	Worker, State string
	PID, Epoch    int
	Restarts      int
	Grants        []struct {
		Name   string
		Number int
	}
	LastExit string `json:"last_exit"`
}

// status is empty while nobody answers.
func (r *running) status() map[string]workerStatus {
	all := map[string]workerStatus{}
	items, err := r.client.Ask(r.t.Context(), "status", nil)
	for i, item := range items {
		var st workerStatus
		if err == nil && i > 0 && json.Unmarshal(item, &st) == nil {
			all[st.Worker] = st
		}
	}
	return all
}

func (r *running) ready() (n int) {
	for _, st := range r.status() {
		if st.State == "ready" {
			n++
		}
	}
	return n
}

func (r *running) upgrade(binary string) error {
	args := map[string]string{}
	if binary != "" {
		args["binary"] = binary
	}
	_, err := r.client.Ask(r.t.Context(), "upgrade", args)
	return err
}

// table is what the supervisor has open, with the inodes of pipes and sockets.
func (r *running) table() []string {
	r.t.Helper()
	var list []string
	for _, link := range links(r.t, r.pid()) {
		list = append(list, link)
	}
	slices.Sort(list)
	return list
}

// quietTable is the table when the connection of the last client is gone.
func (r *running) quietTable() (table []string) {
	r.t.Helper()
	until(r.t, "a table without a client", func() bool {
		table = r.table()
		time.Sleep(30 * time.Millisecond)
		return slices.Equal(table, r.table())
	})
	return table
}

// same waits until the supervisor has open what it had, and says what is not so.
func (r *running) same(table []string) {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if slices.Equal(r.table(), table) {
			return
		}
	}
	r.t.Errorf("open is %q\nwas %q", r.table(), table)
}

// figures are in the last line of the log: lost is what the receivers themselves
// miss in the numbers of their senders.
var figures = regexp.MustCompile(`(readings|alerts|lost|leaked_fds|leaked_queues)=(\d+)`)

// stopped ends the supervisor in order and gives the figures of its summary.
func (r *running) stopped() map[string]int {
	r.t.Helper()
	r.stop()
	sum := map[string]int{}
	for _, m := range figures.FindAllStringSubmatch(r.log.String(), -1) {
		sum[m[1]], _ = strconv.Atoi(m[2])
	}
	return sum
}

// clean holds what every run must end with.
func (r *running) clean() {
	r.t.Helper()
	r.events(r.t, "alert", 1) // so that there was one
	sum := r.stopped()
	if sum["lost"] != 0 || sum["readings"] == 0 || sum["alerts"] == 0 {
		r.t.Errorf("the summary: %v", sum)
	}
}

// events follows until there were so many of a kind.
func (r *running) events(t *testing.T, kind string, n int) (found []control.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for line, err := range r.client.Events(ctx) {
		if err != nil {
			t.Error(err)
			break
		}
		if _, e, err := control.Decode(line); err == nil && strings.Contains(string(line), `"event":"`+kind+`"`) {
			if found = append(found, e); len(found) == n {
				break
			}
		}
	}
	return found
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
