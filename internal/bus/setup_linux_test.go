package bus_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/bus"
	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
)

func TestMain(m *testing.M) {
	ipcactor.Main()
	receiverMain()
	os.Exit(m.Run())
}

// Workers of the tests. Each has a uid and gid of its own.
const (
	sampler = 1 + iota
	store
	alarm
	rogue
	firstID = 40000 // uid and gid of worker n are firstID+n
)

func config() bus.Config {
	all := []string{"*"}
	return bus.Config{
		Queues: []bus.Queue{{
			Name: "readings", UrgentBytes: 4096, RoutineBytes: 8192,
			UrgentBands: map[string]uint16{"alert": 1}, RoutineBands: map[string]uint16{"reading": 9, "bulk": 12},
		}},
		Members: []bus.Member{
			{ID: sampler, GID: firstID + sampler, Name: "sampler", Queue: "readings", Send: all},
			{ID: store, GID: firstID + store, Name: "store", Queue: "readings", Receive: all},
			{ID: alarm, GID: firstID + alarm, Name: "alarm", Queue: "readings", Receive: []string{"alert"}},
			{ID: rogue, GID: firstID + rogue, Name: "rogue", Queue: "readings", Send: []string{"reading"}},
		},
		TapBytes: 4096,
	}
}

// journal collects what the bus logs.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) log(msg string, kv ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, msg+" "+strings.TrimSuffix(fmt.Sprintln(kv...), "\n"))
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

// open makes a Bus and closes it with the test, which then looks for rows left.
func open(t *testing.T, cfg bus.Config) *bus.Bus {
	t.Helper()
	warmUp(t)
	testenv.CheckFDs(t)
	b, err := bus.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		noRows(t)
	})
	return b
}

// warmUp lets the poller open what it keeps.
func warmUp(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	must(t, r.Close())
	must(t, w.Close())
}

func noRows(t *testing.T) {
	t.Helper()
	if n, err := bus.Rows(); n != 0 || err != nil {
		t.Errorf("%d queues are left, %v", n, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, worker uint32) *ipcactor.Actor {
	t.Helper()
	return ipcactor.Start(t, firstID+worker, firstID+worker)
}
