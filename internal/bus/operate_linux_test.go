package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/bus"
	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

func TestOperateALane(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	const name = "readings/routine/sampler/store"
	l, err := b.Lane(name)
	must(t, err)
	if l.Size != 8192 || l.Ready || l.Held || l.From != "sampler" || l.To != "store" || l.Stat.Mode != 0o600 {
		t.Errorf("fresh: %+v", l)
	}
	if all, err := b.Lanes(); err != nil || len(all) != 8 || all[0].Name == all[1].Name {
		t.Errorf("%+v, %v", all, err)
	}
	if tap, err := b.Lane("readings/tap/sampler/@tap"); err != nil || tap.Kind != "tap" {
		t.Errorf("%+v, %v", tap, err)
	}
	must(t, b.Permit(sampler))
	a := start(t, sampler)
	send := func(want string) {
		t.Helper()
		check(t, "send", a.Do("send %d 9 64 2048", l.Stat.ID), want)
	}
	send("ok")

	must(t, b.Pause(name))
	send("EAGAIN")
	must(t, b.Resume(name))
	must(t, b.Throttle(name, 128))
	send("ok")
	send("EAGAIN")
	must(t, b.Resume(name))
	send("ok")

	// What an operator closed stays closed when the worker comes again.
	must(t, b.Hold(name))
	send("EACCES")
	must(t, b.Revoke(sampler))
	must(t, b.Permit(sampler))
	send("EACCES")
	if l, _ := b.Lane(name); !l.Held || !l.Ready || l.Stat.Mode != 0o604 {
		t.Errorf("held: %+v", l)
	}
	must(t, b.Release(name))
	send("ok")
	// And one whose worker is not ready does not open for an operator.
	must(t, b.Revoke(sampler))
	must(t, b.Hold(name))
	must(t, b.Release(name))
	send("EACCES")
	must(t, b.Permit(sampler))

	n := 0
	must(t, b.Empty(context.Background(), name, func(m bus.Left) {
		if n++; m.Type != 9 || m.Bytes != 64 || m.Text == "" {
			t.Errorf("%+v", m)
		}
	}))
	if n != 4 {
		t.Errorf("%d taken", n)
	}
	for verb, err := range map[string]error{
		"pause": b.Pause("x"), "resume": b.Resume("x"), "throttle": b.Throttle("x", 1), "hold": b.Hold("x"),
		"release": b.Release("x"), "empty": b.Empty(context.Background(), "x", nil),
	} {
		if !errors.Is(err, bus.ErrNoLane) || !strings.Contains(err.Error(), `"x"`) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if err := b.Throttle(name, 0); err == nil {
		t.Error("throttled to nothing")
	}
}

// IPC_SET writes back what was read before: without the lock, of two at a time
// one undoes the other.
func TestOperatorAndMonitorDoNotUndoEachOther(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	const name = "readings/routine/sampler/store"
	for range 300 {
		var both sync.WaitGroup
		both.Go(func() { _ = b.Permit(sampler) })
		both.Go(func() { _ = b.Pause(name) })
		both.Wait()
		l, err := b.Lane(name)
		must(t, err)
		if l.Stat.Mode != 0o624 || l.Stat.QBytes != 0 {
			t.Fatalf("mode %o, %d bytes", l.Stat.Mode, l.Stat.QBytes)
		}
		must(t, b.Revoke(sampler))
		must(t, b.Resume(name))
	}
	must(t, b.Close())
	if _, err := b.Lanes(); !errors.Is(err, sysvctl.ErrRemoved) {
		t.Error(err)
	}
}
