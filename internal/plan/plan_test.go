package plan_test

import (
	"reflect"
	"strings"
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/plan"
)

const base = `supervisor {
  ids = "20000-20009"
}
device "load" { file = { path = "/proc/loadavg", decode = "field:0" } }
device "mem" { file = { path = "/proc/meminfo", decode = "key:MemFree" } }
socket "web" { listen = "tcp://127.0.0.1:80" }
directory "data" {
  path = "/var/lib/x"
  mode = "append-segments"
}
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "sampler" {
  command = ["sampler"]
  devices = ["load"]
  policy  = "p"
  queue "readings" { send = ["reading", "alert"] }
}
worker "store" {
  command     = ["store"]
  directories = ["data"]
  policy      = "p"
  queue "readings" { receive = ["*"] }
}
worker "alarm" {
  command = ["alarm"]
  policy  = "p"
  queue "readings" { receive = ["alert"] }
}
defaults {
  restart {
    backoff = "200ms..30s"
  }
}
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("x.hcl", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// edit is old text and new text, one after the other.
func edit(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(base) }

// TestPlans: what people change, and the least that must happen for it.
func TestPlans(t *testing.T) {
	const same = "keep sampler | keep store | keep alarm"
	for name, c := range map[string]struct{ next, want string }{
		"nothing":                    {base, same},
		"a comment":                  {"# hello\n\n" + base, same},
		"a default said":             {edit(`command = ["alarm"]`, "command = [\"alarm\"]\n  proof = 3"), same},
		"argument":                   {edit(`["store"]`, `["store", "-v"]`), "keep sampler | restart store (command changed) | keep alarm"},
		"settings":                   {edit(`["store"]`, "[\"store\"]\n  settings = { a = \"1\" }"), "keep sampler | restart store (settings changed) | keep alarm"},
		"policy":                     {edit("[\"alarm\"]\n  policy  = \"p\"", "[\"alarm\"]\n  policy = \"q\""), "keep sampler | keep store | restart alarm (policy changed)"},
		"path of a device":           {edit("/proc/loadavg", "/proc/uptime"), "restart sampler (devices changed) | keep store | keep alarm"},
		"decode, which hearers know": {edit("field:0", "field:1"), "restart sampler (devices changed) | restart store (sensors changed) | restart alarm (sensors changed)"},
		"one device more": {edit(`["load"]`, `["load", "mem"]`),
			"restart sampler (devices changed) | restart store (sensors changed) | restart alarm (sensors changed)"},
		"a directory":              {edit("/var/lib/x", "/var/lib/y"), "keep sampler | restart store (directories changed) | keep alarm"},
		"rules only":               {edit(`200ms..30s`, `1s..2s`), "keep sampler (restart applied) | keep store (restart applied) | keep alarm (restart applied)"},
		"limits":                   {edit("defaults {", "defaults {\n  limits { tasks = 20 }\n"), "restart sampler (limits changed) | restart store (limits changed) | restart alarm (limits changed)"},
		"after":                    {edit(`["store"]`, "[\"store\"]\n  after = [\"alarm\"]"), "keep sampler | keep store (after applied) | keep alarm"},
		"a worker less":            {edit(`["alarm"]`, "[\"alarm\"]\n  enabled = false"), "restart sampler (lanes changed) | keep store | stop alarm"},
		"renamed":                  {edit(`worker "alarm"`, `worker "horn"`), "restart sampler (lanes changed) | keep store | start horn | stop alarm"},
		"a socket of nobody":       {edit("127.0.0.1:80", "127.0.0.1:81"), same},
		"one worker, three things": {edit(`["store"]`, `["store", "-v"]`, "/var/lib/x", "/var/lib/y", "{ receive = [\"*\"] }", "{ receive = [\"alert\"] }"), "restart sampler (lanes changed) | restart store (command, directories, lanes changed) | keep alarm"},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan.Make(parse(t, base), parse(t, c.next))
			if p.String() != c.want || len(p.Refused) > 0 {
				t.Errorf("plan %s (refused %v)\nwant %s", p, p.Refused, c.want)
			}
			if p.Changes() != (c.want != same) {
				t.Errorf("Changes() = %v for %s", p.Changes(), p)
			}
		})
	}
}

// TestLaneSize: both ends of a lane hold its number in their filters.
func TestLaneSize(t *testing.T) {
	next := edit(`  routine { bands = { reading = 9 } }`, "  routine {\n    bands = { reading = 9 }\n    bytes = \"32KiB\"\n  }")
	want := "restart sampler (lanes changed) | restart store (lanes changed) | keep alarm"
	if got := plan.Make(parse(t, base), parse(t, next)).String(); got != want {
		t.Errorf("plan %s\nwant %s", got, want)
	}
}

// TestSupervisorIsRefused: the socket and the pool of ids are in use.
func TestSupervisorIsRefused(t *testing.T) {
	p := plan.Make(parse(t, base), parse(t, edit(`ids = "20000-20009"`, "ids = \"20000-20008\"\n  control = \"/run/y.sock\"")))
	if got := strings.Join(p.Refused, " "); got != "ids control" {
		t.Errorf("refused %q", got)
	}
}

// TestNumbersStay: a worker keeps its number, and so its user, wherever it
// stands in the file; a number is free for others only when there is no other.
func TestNumbersStay(t *testing.T) {
	extra := "worker \"first\" {\n  command = [\"f\"]\n  policy = \"p\"\n}\n"
	now, next := parse(t, base), parse(t, extra+edit(`worker "store"`, `worker "other"`))
	plan.Number(now, next)
	got := map[string]uint32{}
	for _, w := range next.Workers {
		got[w.Name] = w.ID
	}
	if got["sampler"] != 1 || got["alarm"] != 3 || got["first"] != 4 || got["other"] != 5 {
		t.Errorf("numbers %v", got)
	}
	small := strings.Replace(base, "20000-20009", "20000-20002", 1)
	now, next = parse(t, small), parse(t, strings.Replace(small, `worker "store"`, `worker "other"`, 1))
	plan.Number(now, next)
	if next.Workers[1].ID != 2 {
		t.Errorf("number %d in a pool of three, want the one that is free", next.Workers[1].ID)
	}
}

// TestEverySettingIsPlanned: who adds a setting must say here what a reload does
// with it; aspects.go is the place for it.
func TestEverySettingIsPlanned(t *testing.T) {
	for _, c := range []struct {
		of   any
		want string
	}{
		{config.Worker{}, "ID Name Command Settings Devices Directories Sockets Policy Queues Restart Limits ReadyWithin Heartbeat Proof Compare " +
			"After OnConnect Protocol Notify StartGrace ReadOnly PrintsTo Pos"},
		{config.Queue{}, "Name Isolation Urgent Routine Pos"},
		{config.Lane{}, "Bands Bytes Full Flood Key"},
		{config.Supervisor{}, "Name FirstID LastID Control Waive HostIPC"},
	} {
		var names []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(c.of)) {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%T has the fields\n%s, the plan knows\n%s", c.of, got, c.want)
		}
	}
}
