package hostile_test

import (
	"strings"
	"testing"
	"time"

	"sallyport/internal/bus"
	"sallyport/internal/sys"
	"sallyport/internal/testenv"
)

// flood is a rogue that never stops, a receiver that goes on taking, and siblings
// whose alerts must arrive whatever happens to the rogue.
type flood struct {
	t              *testing.T
	b              *bus.Bus
	rogue, good    *worker
	lane, alerts   int32
	now            time.Time // of Watch; ours, so that a rest takes no time
	taken, alerted int
}

// until watches, takes and raises alerts until the bus takes a step, which must
// be the one wanted.
func (f *flood) until(want bus.Step) bus.Flood {
	f.t.Helper()
	buf := make([]byte, 256)
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		f.now = f.now.Add(100 * time.Millisecond)
		steps, err := f.b.Watch(f.now)
		must(f.t, err)
		for _, s := range steps {
			if s.Step == bus.Stalled {
				continue // our clock is ahead of the kernel's seconds
			}
			if s.Step != want || s.Worker != "rogue" || len(steps) != 1 {
				f.t.Fatalf("%v of %s on %s, want %v", s.Step, s.Worker, s.Lane, want)
			}
			return s
		}
		if _, _, err := sys.MsgReceive(f.lane, buf, 0, nowait); err == nil {
			f.taken++
		}
		if got := f.good.do("send %d 1 64 %d", f.alerts, nowait); got != "ok 0" {
			f.t.Fatalf("an alert of a sibling: %s", got)
		}
		if _, _, err := sys.MsgReceive(f.alerts, buf, 0, nowait); err != nil {
			f.t.Fatalf("an alert of a sibling: %v", err)
		}
		f.alerted++
	}
	f.t.Fatalf("never %v", want)
	return bus.Flood{}
}

// A worker that floods is throttled, revoked, given one more chance and then to
// be quarantined, lane by lane; its siblings' lanes are as they were throughout.
func TestFloodIsAnsweredInSteps(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := openBus(t)
	f := &flood{t: t, b: b, rogue: confined(t, b, rogue, false), good: confined(t, b, sampler, false), now: time.Now(),
		lane: laneFrom(t, b, "routine", rogue, store), alerts: laneFrom(t, b, "urgent", sampler, store)}
	const name = "readings/routine/rogue/store"
	state := func(step bus.Step, limit uint64, mode uint32) {
		t.Helper()
		l, err := b.Lane(name)
		must(t, err)
		if l.Flood != step || l.Stat.QBytes != limit || l.Stat.Mode != mode {
			t.Errorf("%v, %d bytes, mode %o; want %v, %d, %o", l.Flood, l.Stat.QBytes, l.Stat.Mode, step, limit, mode)
		}
	}
	f.rogue.tell("storm %d 9 64", f.lane)
	if s := f.until(bus.Throttled); s.Lane != name || s.Receiver != "store" || s.Limit != 2048 {
		t.Errorf("%+v", s)
	}
	state(bus.Throttled, 2048, 0o624)
	f.until(bus.Revoked)
	state(bus.Revoked, 2048, 0o604)
	if got := f.rogue.hear(); got != "EACCES" {
		t.Errorf("the flood ended with %s", got)
	}
	must(t, b.Permit(rogue)) // a restart of its own makes nothing better
	state(bus.Revoked, 2048, 0o604)
	f.until(bus.Probation)
	state(bus.Probation, 2048, 0o624)
	f.rogue.tell("storm %d 9 64", f.lane)
	if s := f.until(bus.Quarantined); s.ID != rogue {
		t.Errorf("%+v", s)
	}
	state(bus.Quarantined, 2048, 0o604)
	if got := f.rogue.hear(); got != "EACCES" {
		t.Errorf("the flood ended with %s", got)
	}
	must(t, b.Permit(rogue))
	state(bus.Quarantined, 2048, 0o604)
	must(t, b.Forgive(rogue)) // as at a start by hand
	state(bus.Calm, 8192, 0o624)
	if got := f.rogue.do("send %d 9 64 %d", f.lane, nowait); !strings.HasPrefix(got, "ok") && got != "EAGAIN" {
		t.Errorf("forgiven: %s", got)
	}
	t.Logf("%d alerts of a sibling beside it", f.alerted)
	for _, kind := range []string{"urgent", "routine", "tap"} {
		l, err := b.Lane("readings/" + kind + "/sampler/" + map[string]string{"tap": "@tap"}[kind] + map[bool]string{true: "store"}[kind != "tap"])
		must(t, err)
		if l.Flood != bus.Calm || l.Stat.Mode != 0o624 || l.Stat.QBytes != uint64(l.Size) {
			t.Errorf("a lane of the sibling: %+v", l)
		}
	}
}
