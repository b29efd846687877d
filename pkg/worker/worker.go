package worker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/lane"
	"sallyport/pkg/scmrights"
)

// Worker is this worker as the supervisor sees it: its name, its settings, and
// everything that was granted to it. Its methods are safe for concurrent use.
type Worker struct {
	ctx    context.Context // ends with STOP, SIGTERM or the channel
	peer   *scmrights.Peer
	start  *lane.Start
	grants grants
	news   news
	logf   func(format string, a ...any)

	attrs    []*Attr
	own      map[string]lane.Sensor // the sensors that this worker may send, by name
	all      map[uint32]lane.Sensor // every sensor it sends or hears, by id
	sender   *lane.Sender           // nil: sends to nobody
	receiver atomic.Pointer[lane.Receiver]

	readyOnce sync.Once
	readyErr  error
	open      atomic.Bool   // the supervisor has confirmed READY
	said      atomic.Uint64 // the number of the last record that was sent
	pulse     pulse
	closed    atomic.Bool // a lane refused a reading, which was logged

	mu     sync.Mutex
	asked  map[string]bool // settings that the plugin looked at
	faults []error         // settings that make no sense: Ready reports them
}

// Name is the worker's name in the configuration.
func (w *Worker) Name() string { return w.start.Worker.Name }

// Epoch is the generation of this worker: 1 for the first start, one more for
// every restart.
func (w *Worker) Epoch() uint32 { return w.peer.Epoch() }

// Setting is the value of a setting of the worker's block, "" if it is not set.
func (w *Worker) Setting(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[name] = true
	return w.start.Settings[name]
}

// Duration is a setting as a duration, such as "10s"; def if it is not set. A
// value that is no duration above zero ends the worker at Ready, with an error
// that names it.
func (w *Worker) Duration(name string, def time.Duration) time.Duration {
	text := w.Setting(name)
	if text == "" {
		return def
	}
	d, err := time.ParseDuration(text)
	if err == nil && d > 0 {
		return d
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fail("setting", name, fmt.Errorf("%q is no duration; write it as in \"10s\" or \"500ms\"", text)))
	return def
}

// Attrs lists the values that this worker may read, ordered by name. It is the
// same list for the worker's whole life; a lost device stays in it.
func (w *Worker) Attrs() []*Attr { return slices.Clone(w.attrs) }

// Attr finds a value by the name of its sensor.
func (w *Worker) Attr(name string) (*Attr, error) {
	i, found := slices.BinarySearchFunc(w.attrs, name, func(a *Attr, name string) int { return cmp.Compare(a.name, name) })
	if !found {
		return nil, fail("attribute", name, ErrNotGranted)
	}
	return w.attrs[i], nil
}

// Logf prints one line on standard error, which the supervisor logs under the
// worker's name.
func (w *Worker) Logf(format string, a ...any) { w.logf(format, a...) }

// say sends one message to the supervisor and remembers the last one's number.
func (w *Worker) say(kind uint16, body []byte) error {
	seq, err := w.peer.Send(kind, body)
	if err != nil {
		return err
	}
	for {
		last := w.said.Load()
		if seq <= last || w.said.CompareAndSwap(last, seq) {
			return nil
		}
	}
}

// await waits until ok, looking again at everything that arrives.
func (w *Worker) await(ctx context.Context, ok func() bool) error {
	for {
		changed := w.news.next()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
