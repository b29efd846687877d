package bus_test

import (
	"encoding/json"
	"maps"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/bus"
	"sallyport/internal/testenv"
)

// estate exports a Bus, over JSON, with duplicates of its descriptors: an exec
// would leave the same numbers.
func estate(t *testing.T, b *bus.Bus) (e bus.Estate) {
	t.Helper()
	left, err := b.Export()
	must(t, err)
	text, err := json.Marshal(left)
	must(t, err)
	must(t, json.Unmarshal(text, &e))
	for i := range e.Bells {
		for _, n := range []*int{&e.Bells[i].Hear, &e.Bells[i].Ring} {
			dup, err := unix.FcntlInt(uintptr(*n), unix.F_DUPFD, 0)
			must(t, err)
			*n = dup
		}
	}
	return e
}

// TestAdopt: the successor has the same lanes, open and held as they were, and
// the same bells; what one of them rings the other hears.
func TestAdopt(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	old := open(t, config())
	must(t, old.Permit(sampler))
	must(t, old.Hold("readings/routine/rogue/store"))
	must(t, old.Permit(rogue))
	must(t, old.Throttle("readings/routine/sampler/store", 512))
	next, err := bus.Adopt(config(), estate(t, old))
	must(t, err)
	if before, after := lanes(t, old), lanes(t, next); !maps.Equal(before, after) {
		t.Errorf("lanes %+v, were %+v", after, before)
	}
	l, err := next.Lane("readings/routine/rogue/store")
	if err != nil || !l.Held || !l.Ready || l.Stat.Mode&0o777 != 0o600 {
		t.Errorf("the lane that an operator holds: %+v, %v", l, err)
	}
	must(t, next.Release("readings/routine/rogue/store"))
	if l, err := next.Lane("readings/routine/rogue/store"); err != nil || l.Stat.Mode&0o777 != 0o624 {
		t.Errorf("released again: %+v, %v", l, err)
	}
	rings, err := old.Bells(sampler)
	must(t, err)
	hears, err := next.Bells(store)
	must(t, err)
	for _, b := range rings {
		if b.Name == "bell.store" {
			if _, err := b.File.Write([]byte{1}); err != nil {
				t.Error(err)
			}
		}
	}
	if n, err := hears[0].File.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("heard %d bytes, %v", n, err)
	}
	for _, b := range append(rings, hears...) {
		must(t, b.File.Close())
	}
	must(t, next.Close())
}

// TestAdoptRefused: a successor whose configuration asks for something else, or
// that was left something else, takes nothing.
func TestAdoptRefused(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	old := open(t, config())
	good := estate(t, old)
	defer func() {
		for _, b := range good.Bells {
			unix.Close(b.Hear)
			unix.Close(b.Ring)
		}
	}()
	for what, spoil := range map[string]func(c *bus.Config, e *bus.Estate){
		"a lane less":     func(c *bus.Config, e *bus.Estate) { e.Lanes = e.Lanes[1:] },
		"another group":   func(c *bus.Config, e *bus.Estate) { e.Lanes[0].GID++ },
		"another name":    func(c *bus.Config, e *bus.Estate) { e.Lanes[0].Name = "x" },
		"no such queue":   func(c *bus.Config, e *bus.Estate) { e.Lanes[0].ID = 1 << 30 },
		"no bell":         func(c *bus.Config, e *bus.Estate) { e.Bells = nil },
		"no pipe":         func(c *bus.Config, e *bus.Estate) { e.Bells[0].Ring = 1 << 20 },
		"a worker more":   func(c *bus.Config, e *bus.Estate) { c.Members[3].Receive = []string{"*"} },
		"a wrong setting": func(c *bus.Config, e *bus.Estate) { c.Members[0].ID = 0 },
	} {
		cfg, bad := config(), bus.Estate{Lanes: append([]bus.LaneEstate(nil), good.Lanes...)}
		bad.Bells = append(bad.Bells, good.Bells...)
		spoil(&cfg, &bad)
		if _, err := bus.Adopt(cfg, bad); err == nil {
			t.Errorf("%s: adopted", what)
		}
	}
}
