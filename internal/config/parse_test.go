package config_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/internal/config"
)

const examplePath = "../../examples/sensor-logger/sensor-logger.hcl"

func example(t testing.TB) []byte {
	t.Helper()
	src, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestParseExample(t *testing.T) {
	rules := config.Rules{Policies: []string{"sensor-read", "append-only", "gpio-line"}, Waivers: []string{"landlock", "cgroup-memory"}}
	c, err := rules.Parse("sensor-logger.hcl", example(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Supervisor, (config.Supervisor{Name: "sensor-logger", FirstID: 20000, LastID: 20099, Control: "/run/sallyport/sensor-logger.sock",
		Waive: []string{"landlock", "cgroup-memory"}}); !cmp.Equal(got, want, cmpopts.EquateEmpty()) {
		t.Errorf("supervisor: %s", cmp.Diff(want, got))
	}
	wantFridge := config.Device{Name: "fridge", Kind: "sim", Unit: "C", Handover: "share", Sim: &config.Sim{Wave: "pulse", Period: 10 * time.Second, After: 2 * time.Second, For: 3 * time.Second, Min: 4, Max: 9}}
	noPos := cmpopts.IgnoreTypes(config.Pos{})
	if got, _ := c.Device("fridge"); !cmp.Equal(got, wantFridge, cmpopts.EquateEmpty(), noPos) {
		t.Errorf("fridge: %s", cmp.Diff(wantFridge, got, noPos))
	}
	if got, _ := c.Device("core_temp"); got.HwmonName != "coretemp" || got.Input != "Package id 0" || !got.Optional {
		t.Errorf("core_temp: %+v", got)
	}
	wantQueue := config.Queue{Name: "readings", Isolation: "per-worker",
		Urgent:  config.Lane{Bands: map[string]uint16{"alert": 1, "warning": 2}, Bytes: 8192, Flood: config.Flood{Percent: 90, For: 10 * time.Second}},
		Routine: config.Lane{Bands: map[string]uint16{"event": 5, "reading": 9}, Bytes: 16384, Full: "drop-new", Flood: config.Flood{Percent: 90, For: 10 * time.Second}}}
	if !cmp.Equal(c.Queues, []config.Queue{wantQueue}, noPos) {
		t.Errorf("queue: %s", cmp.Diff([]config.Queue{wantQueue}, c.Queues, noPos))
	}
	wantSampler := config.Worker{ID: 1, Name: "sampler", Command: []string{"sampler"}, Settings: map[string]string{"every": "250ms", "alert": "fridge > 8"},
		Devices: []string{"load", "mem", "cpu_pressure", "cpu_temp", "core_temp", "fridge"}, Policy: "sensor-read",
		Queues:  []config.WorkerQueue{{Name: "readings", Send: []string{"reading", "alert"}}},
		Restart: config.Restart{When: "on-failure", BackoffMin: 200 * time.Millisecond, BackoffMax: 30 * time.Second, GiveUp: 5, GiveUpWithin: 10 * time.Minute},
		Limits:  config.Limits{Memory: 64 << 20, Tasks: 16, OpenFiles: 64}, ReadyWithin: 5 * time.Second, Heartbeat: 10 * time.Second, Proof: 3, Compare: 16, Protocol: 2}
	if !cmp.Equal(c.Workers[0], wantSampler, cmpopts.EquateEmpty(), noPos) {
		t.Errorf("sampler: %s", cmp.Diff(wantSampler, c.Workers[0], noPos))
	}
	if len(c.Workers) != 3 || c.UserID(c.Workers[2].ID) != 20002 {
		t.Errorf("%d workers", len(c.Workers))
	}
}

const minimal = `worker "w" {
  command = ["w"]
  policy  = "p"
}
`

func TestParseDefaults(t *testing.T) {
	c, err := config.Parse("/etc/sallyport/house.hcl", []byte(minimal+`
worker "off" {
  command = ["/usr/bin/off", ""]
  policy  = "p"
  enabled = false
  limits {
    tasks = 99
    cpu   = "150%"
  }
  restart {
    give_up = "2 in 1h"
    backoff = "1s..2s"
  }
}
worker "last" {
  command      = ["last"]
  policy       = "p"
  ready_within = "1s"
}
defaults {
  proof     = 1
  heartbeat = "1m"
  limits {
    tasks      = 7
    open_files = 17
  }
  restart {
    when    = "never"
    give_up = "9 in 9h"
    backoff = "3s..4s"
  }
}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Supervisor.Name != "house" || c.Supervisor.Control != "/run/sallyport/house.sock" || c.Supervisor.FirstID != 20000 {
		t.Errorf("supervisor %+v", c.Supervisor)
	}
	if len(c.Workers) != 2 || len(c.Disabled) != 1 || c.Workers[1].ID != 3 {
		t.Fatalf("workers %+v, disabled %+v", c.Workers, c.Disabled)
	}
	off, last := c.Disabled[0], c.Workers[1]
	if got, want := off.Limits, (config.Limits{Memory: 64 << 20, Tasks: 99, OpenFiles: 17, CPU: 150}); got != want {
		t.Errorf("limits %+v, want %+v", got, want)
	}
	if got, want := off.Restart, (config.Restart{When: "never", BackoffMin: time.Second, BackoffMax: 2 * time.Second, GiveUp: 2, GiveUpWithin: time.Hour}); got != want {
		t.Errorf("restart %+v, want %+v", got, want)
	}
	if last.ReadyWithin != time.Second || last.Heartbeat != time.Minute || last.Proof != 1 || last.Limits.Tasks != 7 || last.Restart.BackoffMax != 4*time.Second || last.Pos.Line != 19 {
		t.Errorf("last %+v", last)
	}
}

func TestParseKinds(t *testing.T) {
	c, err := config.Parse("k.hcl", []byte(minimal+`
device "air" {
  iio      = { name = "bme280" }
  channels = ["in_temp_input", "in_pressure_input"]
}
device "t" {
  w1 = { id = "28-00000a9ae2c7" }
}
device "m" {
  hwmon    = { name = "nct6775" }
  channels = ["temp1"]
  shared   = true
}
device "s" {
  sim = { "wave" = "sine", period = "30s", min = -18.5, max = (26) }
}
socket "http" {
  listen = "tcp://[::1]:9130"
}
socket "log" {
  connect = "unix:///run/log.sock"
}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Devices[0].Sensors(); !cmp.Equal(got, []string{"air.in_temp_input", "air.in_pressure_input"}) {
		t.Errorf("sensors %v", got)
	}
	if got := c.Devices[2].Sensors(); !cmp.Equal(got, []string{"m"}) {
		t.Errorf("sensors of one channel %v", got)
	}
	if s := c.Devices[3].Sim; s.Min != -18.5 || s.Max != 26 || s.Wave != "sine" {
		t.Errorf("sim %+v", s)
	}
	if s := c.Sockets; !s[0].Listen || s[0].Address != "[::1]:9130" || s[1].Listen || s[1].Network != "unix" || s[1].Address != "/run/log.sock" {
		t.Errorf("sockets %+v", s)
	}
}

func TestParseIsBounded(t *testing.T) {
	for name, src := range map[string]string{
		"10 MB":          strings.Repeat("# comment\n", 1<<20),
		"brackets":       "x = " + strings.Repeat("[", 200000),
		"closed":         "x = " + strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"blocks":         strings.Repeat("a {\n", 50000),
		"parentheses":    "x = " + strings.Repeat("(", 200000),
		"templates":      "x = " + strings.Repeat(`"${`, 50000),
		"signs":          "x = " + strings.Repeat("-", 200000) + "1",
		"sign a line":    "x = (\n" + strings.Repeat("-\n", 100000) + "1)",
		"exclamations":   "x = " + strings.Repeat("!", 200000) + "true",
		"conditions":     "x = " + strings.Repeat("1?1:", 60000) + "1",
		"sum":            "x = 1" + strings.Repeat("+1", 100000),
		"traversal":      "x = a" + strings.Repeat(".a", 100000),
		"index":          "x = a" + strings.Repeat("[0]", 80000),
		"splat":          "x = a" + strings.Repeat("[*]", 80000),
		"calls":          "x = " + strings.Repeat("f(", 100000),
		"for":            "x = " + strings.Repeat("[for a in ", 20000),
		"number":         minimal + "defaults {\nproof = 1e999999999\n}\ndevice \"d\" {\nsim = { min = -1e999999999, ma, period = 1e999999999 }\n}",
		"labels":         "worker" + strings.Repeat(` "a"`, 60000) + " {\n}\n",
		"unknown blocks": strings.Repeat("b {\n}\n", 40000),
		"nul":            strings.Repeat("\x00", 200000),
		"quotes":         strings.Repeat(`"`, 200000),
		"unique":         unique(4000),
		"one line":       strings.Repeat("a=1x ", 50000),
		"workers":        strings.Repeat("worker \"w\" {\n}\n", 15000),
	} {
		begin := time.Now()
		_, err := config.Parse("hostile.hcl", []byte(src))
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) == 0 || len(problems) > 100 {
			t.Errorf("%s: %d problems, %v", name, len(problems), err == nil)
		}
		if name == "10 MB" && !strings.Contains(err.Error(), "the file has 10485760 bytes") {
			t.Errorf("%s: %v", name, err)
		}
		// What is bounded takes a second, what is not would take hours.
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("%s took %s", name, took)
		} else if testing.Verbose() {
			t.Logf("%s: %s, %d problems, first: %.100s", name, took, len(problems), problems[0].What)
		}
	}
}

// unique is a file of many workers in which nothing is wrong but the pool of ids.
func unique(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "worker \"w%d\" {\n  command=[\"w\"]\n  policy=\"p\"\n after=[\"w%d\"]\n}\n", i, (i+1)%n)
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add(example(f))
	f.Add([]byte(minimal))
	f.Add([]byte(strings.Repeat("[", 40)))
	faulty, _ := os.ReadDir("testdata")
	for _, e := range faulty {
		if strings.HasSuffix(e.Name(), ".hcl") {
			src, err := os.ReadFile("testdata/" + e.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Add([]byte(inJSON))
	f.Fuzz(func(t *testing.T, src []byte) {
		file := "fuzz.hcl"
		if len(src) > 0 && src[0] == '{' { // nothing of the native form begins so
			file = "fuzz.json"
		}
		c, err := config.Parse(file, src)
		var problems config.Problems
		if (c == nil) != errors.As(err, &problems) || c == nil && len(problems) == 0 {
			t.Fatalf("config %v, error %v", c, err)
		}
		for _, p := range problems {
			if p.What == "" || p.Line < 0 || strings.ContainsFunc(p.Source, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("problem %+v", p)
			}
		}
		if c == nil {
			return
		}
		for _, w := range append(c.Workers, c.Disabled...) {
			if id := c.UserID(w.ID); id == 0 || id < c.Supervisor.FirstID || id > c.Supervisor.LastID || len(w.Command) == 0 || w.Policy == "" {
				t.Fatalf("worker %+v with id %d", w, id)
			}
		}
	})
}
