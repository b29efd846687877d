package sysvctl_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

// Every call on a queue that is gone says that it is gone, and leaves nothing.
func TestEveryCallOnAQueueThatIsGone(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	must(t, err)
	must(t, q.TrySend(1, []byte("kept")))
	s, err := q.Snapshot()
	must(t, err)
	must(t, q.Remove())
	ctx, buf := t.Context(), make([]byte, 8)
	calls := map[string]func() error{
		"send":     func() error { return q.Send(ctx, 1, buf) },
		"receive":  func() error { _, err := q.Receive(ctx, sysvctl.Any(), buf); return err },
		"peek":     func() error { _, err := q.Peek(0, buf); return err },
		"stat":     func() error { _, err := q.Stat(); return err },
		"set":      func() error { _, err := q.Set(func(*sysvctl.Attr) {}); return err },
		"permit":   func() error { return q.Permit(0, 0o666) },
		"revoke":   func() error { return q.Revoke(sysvctl.Senders) },
		"pause":    func() error { _, err := q.Pause(); return err },
		"throttle": func() error { _, err := q.Throttle(1); return err },
		"resume":   func() error { return q.Resume(0) },
		"drain":    func() error { _, err := q.Drain(ctx, func(sysvctl.Message) {}); return err },
		"snapshot": func() error { _, err := q.Snapshot(); return err },
		"fill":     func() error { _, err := q.Fill(s); return err },
		"remove":   q.Remove,
		"serve":    func() error { return q.Serve(ctx, sysvctl.Service{Size: 8, Callers: 1}) },
		"call":     func() error { _, err := q.Call(ctx, nil, buf); return err },
		"receiver": func() error {
			r, err := q.Receiver(ctx, sysvctl.Any(), 8)
			must(t, err)
			defer r.Close()
			_, err = r.Try()
			return err
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, sysvctl.ErrRemoved) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := sysvctl.List(); len(n) != 0 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
}

// A service whose queue goes ends with that, also while it waits, and so does a
// caller, at each of its three steps.
func TestServiceEndsWithItsQueue(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	must(t, err)
	served := make(chan error, 1)
	go func() {
		served <- q.Serve(t.Context(), sysvctl.Service{Size: 8, Callers: 1, Answer: func([]byte) []byte {
			must(t, q.Remove())
			return nil
		}})
	}()
	if _, err := q.Call(t.Context(), nil, nil); !errors.Is(err, sysvctl.ErrRemoved) {
		t.Errorf("the caller: %v", err)
	}
	if err := <-served; !errors.Is(err, sysvctl.ErrRemoved) {
		t.Errorf("the service: %v", err)
	}
	// Something else than a ticket: another protocol.
	other := create(t, sysvctl.Options{})
	must(t, other.TrySend(sysvctl.TypeTicket, []byte("x")))
	if _, err := other.Call(t.Context(), nil, nil); err == nil {
		t.Error("a ticket of one byte is taken for one")
	}
}

// A bell that was closed, or that nobody can ring, costs patience and no more.
func TestBellsThatAreGone(t *testing.T) {
	for name, end := range map[string]func(hear, ring *os.File){
		"closed":         func(hear, _ *os.File) { hear.Close() },
		"without a hand": func(_, ring *os.File) { ring.Close() },
	} {
		hear, ring, err := sysvctl.NewDoorbell()
		must(t, err)
		bell, err := sysvctl.OpenDoorbell(hear)
		must(t, err)
		end(hear, ring)
		if bell.Wait(context.Background(), time.Millisecond) {
			t.Errorf("%s: it rang", name)
		}
		over, cancel := context.WithCancel(context.Background())
		cancel()
		began := time.Now()
		if bell.Wait(over, time.Hour) || time.Since(began) > time.Minute {
			t.Errorf("%s: the end of the context did not end the wait", name)
		}
		hear.Close()
		ring.Close()
		ringer, err := sysvctl.OpenRinger(ring)
		must(t, err)
		ringer.Ring() // neither an error nor a signal
	}
}

// Who may not read a queue can still see its state, but not that of the queue
// that has its slot now.
func TestStatWithoutPermission(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	a := ipcactor.Start(t, 40001, 40001)
	q := create(t, sysvctl.Options{Mode: 0o600})
	if got := a.Do("send %d 1 1 2048", q.ID()); got != "EACCES" {
		t.Errorf("send: %s", got)
	}
	if got := a.Do("statany %d", q.ID()); len(got) < 2 || got[:2] != "ok" {
		t.Errorf("stat: %s", got)
	}
}
