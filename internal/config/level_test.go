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
