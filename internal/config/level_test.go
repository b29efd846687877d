package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/config"
)

func TestParseLevels(t *testing.T) {
	c, err := config.Parse("levels.hcl", []byte(minimal+`
socket "door" {
  listen = "unix:///run/x.sock"
  mode   = "0666"
}
socket "own" { listen = "unix:///run/y.sock" }
worker "plain" {
  command     = ["/usr/sbin/plain", "--socket-activation"]
  policy      = "p"
  protocol    = 0
  notify      = true
  heartbeat   = "3s"
  start_grace = "2s"
  sockets     = ["door"]
  read_only   = ["/lib", "/lib64"]
}
worker "quiet" {
  sockets  = ["own"]
  command  = ["/usr/sbin/quiet"]
  policy   = "p"
  protocol = 0
  notify   = true
}
worker "small" {
  command  = ["small"]
  policy   = "p"
  protocol = 1
}
defaults { heartbeat = "1m" }
`))
	if err != nil {
		t.Fatal(err)
	}
	type level struct {
		Protocol          int
		Notify            bool
		Heartbeat, Grace  time.Duration
		Sockets, ReadOnly []string
	}
	var got []level
	for _, w := range c.Workers {
		got = append(got, level{w.Protocol, w.Notify, w.Heartbeat, w.StartGrace, w.Sockets, w.ReadOnly})
	}
	none := []string{}
	want := []level{
		{2, false, time.Minute, 0, none, none},
		{0, true, 3 * time.Second, 2 * time.Second, []string{"door"}, []string{"/lib", "/lib64"}},
		{0, true, 0, 500 * time.Millisecond, []string{"own"}, none},
		{1, false, 0, 500 * time.Millisecond, none, none},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s, _ := c.Socket("door"); s.Mode != 0o666 {
		t.Errorf("mode %o", s.Mode)
	}
	if s, _ := c.Socket("own"); s.Mode != 0o600 {
		t.Errorf("mode without one %o", s.Mode)
	}
	if _, known := c.Socket("none"); known {
		t.Error("a socket that is not there")
	}
}

// TestParseHandover: how things are handed over where the file says it, and where
// it does not.
func TestParseHandover(t *testing.T) {
	c, err := config.Parse("handover.hcl", []byte(minimal+`
device "kept" { file = { path = "/proc/loadavg" } }
device "own" {
  file     = { path = "/proc/meminfo" }
  handover = "exclusive"
}
socket "door" { listen = "unix:///run/x.sock" }
socket "lent" {
  listen   = "unix:///run/y.sock"
  handover = "lend"
}
socket "broker" { connect = "tcp://127.0.0.1:1883" }
worker "one" {
  command = ["one"]
  policy  = "p"
  devices = ["kept", "own"]
  sockets = ["door", "lent", "broker"]
  proof   = 4
  compare = 0
}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range c.Devices {
		got[d.Name] = d.Handover
	}
	for _, s := range c.Sockets {
		got[s.Name] = s.Handover
	}
	want := map[string]string{"kept": "share", "own": "exclusive", "door": "share", "lent": "lend", "broker": "move"}
	for name, mode := range want {
		if got[name] != mode {
			t.Errorf("%s is handed over by %q, want %s", name, got[name], mode)
		}
	}
	if w := c.Workers[len(c.Workers)-1]; w.Compare != 0 || c.Workers[0].Compare != 16 {
		t.Errorf("compare %d and %d", w.Compare, c.Workers[0].Compare)
	}
}
