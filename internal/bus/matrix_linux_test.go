package bus_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/bus"
	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
)

// allLanes returns every lane of the bus once.
func allLanes(t *testing.T, b *bus.Bus) []bus.Depth {
	t.Helper()
	var all []bus.Depth
	seen := map[int32]bool{}
	for id := uint32(sampler); id <= rogue; id++ {
		list, err := b.Depth(id)
		must(t, err)
		for _, d := range list {
			if !seen[d.ID] {
				seen[d.ID] = true
				all = append(all, d)
			}
		}
	}
	return all
}

func TestLanesOfTheTable(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	var got []string
	for _, d := range allLanes(t, b) {
		got = append(got, fmt.Sprintf("%s %d-%d %d %o", d.Kind, d.From, d.To, d.Limit, d.Mode))
	}
	slices.Sort(got)
	want := []string{
		"ack 2-1 8192 600", "ack 3-1 8192 600",
		"routine 1-2 8192 600", "routine 4-2 8192 600",
		"tap 1-0 4096 600", "tap 4-0 4096 600",
		"urgent 1-2 4096 600", "urgent 1-3 4096 600",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n, err := bus.Rows(); n != len(want) || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
}

// Each worker tries everything on every lane, in each phase of the lane, with
// its own uid. The modes alone are on trial: no filter is loaded.
func TestModeMatrix(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	actors := map[uint32]*ipcactor.Actor{}
	for id := uint32(sampler); id <= rogue; id++ {
		actors[id] = start(t, id)
	}
	for _, phase := range []string{"closed", "permitted", "revoked", "permitted again"} {
		for id := uint32(sampler); id <= rogue; id++ {
			switch phase {
			case "permitted", "permitted again":
				must(t, b.Permit(id))
			case "revoked":
				must(t, b.Revoke(id))
			}
		}
		for _, d := range allLanes(t, b) {
			for id, a := range actors {
				send, receive := expected(phase, d, id)
				at := fmt.Sprintf("%s: worker %d on the %s lane of %d for %d", phase, id, d.Kind, d.From, d.To)
				check(t, at+" sends", a.Do("send %d 1 64 2048", d.ID), send)
				check(t, at+" receives", a.Do("receive %d 7 64 2048", d.ID), receive)
				check(t, at+" changes", a.Do("set %d %d %d 438 64", d.ID, firstID+id, firstID+id), "EPERM")
				check(t, at+" removes", a.Do("remove %d", d.ID), "EPERM")
			}
		}
	}
}

// expected is what the kernel must answer. Nothing of type 7 is ever queued, so
// a receiver that may receive finds no message.
func expected(phase string, d bus.Depth, worker uint32) (send, receive string) {
	sender := worker == d.From
	send, receive = "EACCES", "EACCES"
	if phase != "closed" && !sender {
		receive = "ENOMSG" // which of the others it is, the filter says
	}
	if phase[:6] == "permit" && sender {
		send = "ok"
	}
	return send, receive
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// The rights for the filters name exactly the lanes that the modes open and
// that START tells the worker about.
func TestRightsAreTheTable(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	for id := uint32(sampler); id <= rogue; id++ {
		var send, receive []int32
		for _, d := range allLanes(t, b) {
			if d.From == id {
				send = append(send, d.ID)
			}
			if d.To == id {
				receive = append(receive, d.ID)
			}
		}
		var told bus.Rights
		for _, o := range b.Outs(id) {
			told.Send = append(told.Send, o.Urgent, o.Routine)
			told.Receive = append(told.Receive, o.Ack)
		}
		for _, in := range b.Ins(id) {
			told.Receive = append(told.Receive, in.Urgent, in.Routine)
			told.Send = append(told.Send, in.Ack)
		}
		r := b.Rights(id)
		for name, lists := range map[string][2][]int32{
			"sends by mode": {send, r.Send}, "receives by mode": {receive, r.Receive},
			"sends by START": {told.Send, r.Send}, "receives by START": {told.Receive, r.Receive},
		} {
			if diff := cmp.Diff(ids(lists[0]), ids(lists[1])); diff != "" {
				t.Errorf("worker %d %s:\n%s", id, name, diff)
			}
		}
	}
	for id, want := range map[uint32][]int{sampler: {64, 256}, store: {64}, alarm: {64}, rogue: {64}} {
		if diff := cmp.Diff(want, b.Rights(id).Sizes); diff != "" {
			t.Errorf("worker %d: %s", id, diff)
		}
	}
}

func ids(list []int32) []int32 {
	real := []int32{}
	for _, id := range list {
		if id != lane.NoLane {
			real = append(real, id)
		}
	}
	slices.Sort(real)
	return real
}

func TestRevokeWakesABlockedSender(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	must(t, b.Permit(rogue))
	a := start(t, rogue)
	var routine bus.Depth
	for _, d := range allLanes(t, b) {
		if d.From == rogue && d.Kind == "routine" {
			routine = d
		}
	}
	for a.Do("send %d 9 64 2048", routine.ID) == "ok" {
	}
	a.Tell("send %d 9 64 0", routine.ID)
	if !a.Silent(100 * time.Millisecond) {
		t.Fatal("not blocked")
	}
	began := time.Now()
	must(t, b.Revoke(rogue))
	check(t, "the blocked sender", a.Answer(), "EACCES")
	t.Logf("woken after %v", time.Since(began))
	check(t, "after the revoke", a.Do("send %d 9 64 2048", routine.ID), "EACCES")
	check(t, "the receiver", start(t, store).Do("receive %d 0 64 2048", routine.ID), "ok 9 64")
	for _, d := range allLanes(t, b) {
		if d.ID == routine.ID && (d.Limit != 8192 || d.Messages != 127 || d.Mode != 0o604) {
			t.Errorf("%+v", d)
		}
	}
	must(t, b.Revoke(rogue)) // again, harmless
}
