package bus_test

import (
	"slices"
	"testing"

	"sallyport/internal/bus"
	"sallyport/internal/testenv"
)

// TestSucceed: a lane that both configurations have is the same queue, with its
// mode and its messages; what only one has comes and goes with it.
func TestSucceed(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	old := open(t, config())
	must(t, old.Permit(sampler))
	before := lanes(t, old)
	cfg := config()
	cfg.Members = slices.DeleteFunc(cfg.Members, func(m bus.Member) bool { return m.ID == alarm || m.ID == rogue })
	cfg.Members = append(cfg.Members, bus.Member{ID: 5, GID: firstID + 5, Name: "web", Queue: "readings", Receive: []string{"reading"}})
	next, err := old.Succeed(cfg)
	must(t, err)
	kept, gone := 0, 0
	after := lanes(t, next)
	for name, l := range before {
		switch same, found := after[name]; {
		case !found:
			gone++
		case same != l:
			t.Errorf("%s is %+v, was %+v", name, same, l)
		default:
			kept++
		}
	}
	if kept != 4 || gone != 4 || len(after) != 5 {
		t.Errorf("kept %d lanes, %d are gone, there are %d now; want 4, 4, 5", kept, gone, len(after))
	}
	if l := after["readings/routine/sampler/web"]; l.mode != 0o600 {
		t.Errorf("the new lane is %+v, want it closed", l)
	}
	must(t, old.Leave(next))
	if n, err := bus.Rows(); n != len(after) || err != nil {
		t.Errorf("%d queues in the kernel, %v; want %d", n, err, len(after))
	}
	must(t, next.Permit(sampler))
	if l := lanes(t, next)["readings/routine/sampler/web"]; l.mode != 0o624 {
		t.Errorf("the new lane is %+v after its sender is ready", l)
	}
	bells, err := next.Bells(sampler)
	must(t, err)
	for _, b := range bells {
		must(t, b.File.Close())
	}
	if len(bells) != 3 {
		t.Errorf("bells %+v, want those of store, web and the tap", bells)
	}
	must(t, next.Close())
}

// TestSucceedAndDont: a successor that is given up leaves nothing.
func TestSucceedAndDont(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	old := open(t, config())
	before := lanes(t, old)
	cfg := config()
	cfg.Queues[0].RoutineBytes *= 2
	cfg.Members[1].Name = "shop"
	next, err := old.Succeed(cfg)
	must(t, err)
	must(t, next.Leave(old))
	if got := lanes(t, old); len(got) != len(before) {
		t.Errorf("%d lanes, want %d", len(got), len(before))
	}
	if n, err := bus.Rows(); n != len(before) || err != nil {
		t.Errorf("%d queues in the kernel, %v; want %d", n, err, len(before))
	}
	cfg.Members[0].ID = 0
	if _, err := old.Succeed(cfg); err == nil {
		t.Error("a configuration that New refuses has a successor")
	}
}

type laneState struct {
	id   int
	mode uint32
	size int
}

func lanes(t *testing.T, b *bus.Bus) map[string]laneState {
	t.Helper()
	all, err := b.Lanes()
	must(t, err)
	m := map[string]laneState{}
	for _, l := range all {
		m[l.Name] = laneState{int(l.Stat.ID), l.Stat.Mode & 0o777, l.Size}
	}
	return m
}
