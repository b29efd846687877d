package worker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"sallyport/internal/fault"
	"sallyport/internal/lane"
	"sallyport/pkg/sysvctl"
)

// The bands that the SDK sends in; the configuration gives them their numbers.
const (
	bandReading = "reading"
	bandAlert   = "alert"
)

// quietFor is how long a closed queue is not worth a line in the log: it mostly
// means that STOP is about to come.
const quietFor = 500 * time.Millisecond

var errNoQueue = errors.New("nothing may be sent: give the worker a queue block with send = [...]")

// Ready tells the supervisor that the worker has all it needs, and waits until
// the supervisor has opened the worker's queues. Every, Items, Reading and Alert
// call it, so only a worker that uses none of them must. It reports settings
// that made no sense.
func (w *Worker) Ready() error {
	w.readyOnce.Do(func() { w.readyErr = w.ready() })
	return w.readyErr
}

func (w *Worker) ready() error {
	w.mu.Lock()
	faults := errors.Join(w.faults...)
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(w.start.Settings)) {
		if !w.asked[name] {
			unknown = append(unknown, name)
		}
	}
	w.mu.Unlock()
	if faults != nil {
		return faults
	}
	if unknown != nil {
		w.Logf("settings not known to this worker, and ignored: %s", strings.Join(unknown, ", "))
	}
	fault.Point("W7") // has all it needs, and has not said so
	seq, err := w.peer.Send(lane.MsgReady, nil)
	if err != nil {
		return fail("ready", "", err)
	}
	fault.Point("W8") // READY is out, the lanes may not be open
	// The supervisor opens the lanes by IPC_SET and only then acknowledges; a
	// message sent before that would be refused by the kernel.
	if err := w.await(w.ctx, func() bool { return w.peer.Acked() >= seq }); err != nil {
		return fail("ready", "", err)
	}
	w.open.Store(true)
	return nil
}

// Every calls fn now and then each d, until ctx ends, and returns nil then; an
// error of fn ends it at once. A call that takes longer than d delays the next
// one, and none are made up for. One that takes longer than the heartbeat of the
// configuration ends the worker: it is taken to hang.
func (w *Worker) Every(ctx context.Context, d time.Duration, fn func() error) error {
	if d <= 0 {
		return fmt.Errorf("every %v: not above zero", d)
	}
	if err := w.Ready(); err != nil {
		return w.unlessStopped(err)
	}
	tick := time.NewTicker(d)
	defer tick.Stop()
	loop := w.pulse.begin()
	defer w.pulse.end(loop)
	for ctx.Err() == nil {
		loop.plugin()
		err := fn()
		loop.plugin()
		if err != nil {
			return w.unlessStopped(err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// Values reads every attribute once and gives those that could be read, by the
// names of their sensors. A lost device is skipped until it is granted again;
// any other failure is logged once, until a read succeeds.
func (w *Worker) Values() iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for _, a := range w.attrs {
			v, err := a.Read()
			if err != nil {
				if !a.failing.Swap(true) && !errors.Is(err, ErrNotGranted) {
					w.Logf("%v", err)
				}
				continue
			}
			a.failing.Store(false)
			if !yield(a.name, v) {
				return
			}
		}
	}
}

// Reading sends a value of one of this worker's sensors to everyone who
// subscribed to readings. It does not wait for them: where a receiver's queue is
// full, the rule of the configuration applies, and a reading that was dropped
// is counted and no error.
func (w *Worker) Reading(name string, value float64) error {
	s, err := w.sending(name)
	if err != nil {
		return fail("send", name, err)
	}
	w.pulse.waits.Add(1)
	err = w.sender.Reading(s.ID, bandReading, value, s.Unit)
	w.pulse.waits.Add(-1)
	if !closed(err) {
		return fail("send", name, err)
	}
	if !w.closed.Swap(true) {
		time.AfterFunc(quietFor, func() {
			if w.ctx.Err() == nil {
				w.Logf("readings are refused, and are until the supervisor opens the queue again: %v", err)
			}
		})
	}
	return nil
}

// Alert sends a value that somebody should act on, with a text for people, cut
// after 191 bytes. It goes ahead of all readings and is sent again until every
// receiver has confirmed it.
func (w *Worker) Alert(name string, value float64, text string) error {
	s, err := w.sending(name)
	if err != nil {
		return fail("alert", name, err)
	}
	err = w.sender.Alert(s.ID, bandAlert, value, s.Unit, text)
	if !closed(err) {
		return fail("alert", name, err)
	}
	w.Logf("alert of %s (%g) was refused: %v", name, value, err)
	return nil
}

// Unit is the unit that the configuration gives to a sensor of this worker; known
// is false for a name that it has not.
func (w *Worker) Unit(name string) (unit string, known bool) {
	s, known := w.own[name]
	return s.Unit, known
}

func (w *Worker) sending(name string) (lane.Sensor, error) {
	s, ok := w.own[name]
	switch {
	case !ok:
		return s, ErrUndeclared
	case w.sender == nil:
		return s, errNoQueue
	}
	return s, w.Ready()
}

// closed says that the supervisor took the right to send away, as it does before
// it stops a worker and when one sends too much. There is nothing that the
// worker could do about it; where the right is given back, it goes on.
func closed(err error) bool {
	return errors.Is(err, sysvctl.ErrRevoked) || errors.Is(err, sysvctl.ErrRemoved)
}

// unlessStopped is nil once the worker has been told to stop: the supervisor
// closes a worker's queues before it says so, and what fails then is no fault.
func (w *Worker) unlessStopped(err error) error {
	if w.ctx.Err() != nil {
		return nil
	}
	return err
}
