package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"sallyport/internal/config"
	"sallyport/internal/systemd"
)

// TestNoBeatWithoutTurns: the watchdog gets its sign of life only when every
// worker's loop has turned since the one before.
func TestNoBeatWithoutTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	manager, err := systemd.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	turns, hangs := &worker{inbox: make(chan note, 1)}, &worker{inbox: make(chan note, 1)}
	turns.cfg, hangs.cfg = named("turns"), named("hangs")
	s := &supervisor{log: hclog.NewNullLogger(), service: service{manager: manager}}
	s.current.Store(&setup{workers: []*worker{turns, hangs}})
	answer := func(w *worker) { w.turned.Store((<-w.inbox).turn) }

	s.beat() // nobody was asked before: the start counts as a turn
	answer(turns)
	answer(hangs)
	s.beat()
	answer(turns)
	s.beat() // hangs has not answered
	answer(turns)
	answer(hangs) // the old question
	s.beat()      // one behind

	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var said []string
	for buf := make([]byte, 256); ; {
		n, err := conn.Read(buf)
		if err != nil {
			break
		}
		said = append(said, string(buf[:n]))
	}
	if got := strings.Join(said, ","); got != "WATCHDOG=1,WATCHDOG=1" {
		t.Errorf("said %q, want two signs of life", got)
	}
}

func named(name string) *config.Worker { return &config.Worker{Name: name} }
