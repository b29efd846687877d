package bus_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/bus"
	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

const (
	urgentKey  = 4660
	routineKey = 22136
)

// sharedConfig has two senders and two receivers on one pair of lanes, with keys.
func sharedConfig(t *testing.T) bus.Config {
	cfg := config()
	all := []string{"*"}
	cfg.Queues[0].Shared, cfg.Queues[0].UrgentKey, cfg.Queues[0].RoutineKey = true, urgentKey, routineKey
	cfg.Members[1].Receive, cfg.Members[2].Receive = all, all
	cfg.Ledger = filepath.Join(t.TempDir(), "control.sock.queues")
	return cfg
}

func TestSharedLanes(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, sharedConfig(t))
	all, err := b.Lanes()
	must(t, err)
	ids := map[string]int32{}
	for _, l := range all {
		ids[l.Name] = int32(l.Stat.ID)
	}
	urgent, routine, acks := ids["readings/urgent/*/*"], ids["readings/routine/*/*"], ids["readings/ack/*/sampler"]
	if len(all) != 5 { // and two taps
		t.Errorf("lanes %v", ids)
	}
	// The table behind the filters.
	for id, want := range map[uint32]bus.Rights{
		sampler: {Send: []int32{urgent, routine, ids["readings/tap/sampler/@tap"]}, Receive: []int32{acks}, Sizes: []int{64, 256}},
		alarm:   {Send: []int32{acks}, Receive: []int32{urgent, routine}, Sizes: []int{64}},
	} {
		slices.Sort(want.Send)
		slices.Sort(want.Receive)
		if got := b.Rights(id); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("worker %d: %v, want %v", id, got, want)
		}
	}
	a, s, l := start(t, sampler), start(t, store), start(t, alarm)
	check(t, "before anybody is ready", a.Do("send %d 9 64 2048", routine), "EACCES")
	for _, id := range []uint32{sampler, store, alarm, rogue} {
		must(t, b.Permit(id))
	}
	check(t, "send", a.Do("send %d 1 64 2048", urgent), "ok")
	for _, r := range []string{s.Do("receive %d 0 64 2048", urgent), s.Do("receive %d 0 64 2048", urgent), l.Do("receive %d 0 64 2048", urgent)} {
		t.Log(r) // one of them has it, the others ENOMSG
	}
	// Anybody acknowledges; the sender of the alert alone takes it, by its group.
	check(t, "acknowledge", l.Do("send %d 1 64 2048", acks), "ok")
	check(t, "take another's acknowledgement", s.Do("receive %d 0 64 2048", acks), "EACCES")
	if got := a.Do("receive %d 0 64 2048", acks); !strings.HasPrefix(got, "ok") {
		t.Errorf("take it: %s", got)
	}
	// The lane closes with the last of its senders.
	must(t, b.Revoke(sampler))
	check(t, "one sender is left", a.Do("send %d 9 64 2048", routine), "ok")
	must(t, b.Revoke(rogue))
	check(t, "none is left", a.Do("send %d 9 64 2048", routine), "EACCES")
	if got := s.Do("receive %d 0 64 2048", routine); !strings.HasPrefix(got, "ok") {
		t.Errorf("what is queued: %s", got)
	}
	// Each sender knows a bell of every receiver.
	for _, id := range []uint32{sampler, rogue} {
		var rings []string
		for _, out := range b.Outs(id) {
			rings = append(rings, out.Bell)
		}
		if strings.Join(rings, " ") != "bell.store bell.alarm bell.@tap" || len(bells(t, b, id)) != 3 {
			t.Errorf("bells %q", rings)
		}
	}
	if in := b.Ins(store); len(in) != 3 || in[2].From != lane.Anyone || in[0].Ack != acks || in[2].Ack != lane.NoLane {
		t.Errorf("%+v", in)
	}
}

// A C program that knows nothing but the keys and the form of a frame sends to
// the workers and receives from them.
func TestJoinByKey(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("needs cc")
	}
	if !testenv.PrivateIPC(t) {
		return
	}
	program := filepath.Join(t.TempDir(), "join")
	if out, err := exec.Command(cc, "-O1", "-Wall", "-Wextra", "-o", program, "testdata/join.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	must(t, os.Chmod(filepath.Dir(program), 0o755))
	must(t, os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755))
	b := open(t, sharedConfig(t))
	must(t, b.Permit(sampler))
	must(t, b.Permit(store))
	join := func(args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	join("send", fmt.Sprint(routineKey), "9", "1", "21.5")
	join("send", fmt.Sprint(urgentKey), "1", "2", "99")
	r := receiver(t, b, store)
	for _, want := range []struct {
		kind  reading.Kind
		value float64
	}{{reading.Alert, 99}, {reading.Reading, 21.5}} {
		if f := next(t, r).Frame; f.Kind != want.kind || f.Value != want.value || f.Worker != lane.Anyone {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
	must(t, sender(t, b, sampler, 1).Reading(7, "reading", 42.25, "C"))
	if got := join("receive", fmt.Sprint(routineKey)); got != "kind 1 band 9 worker 1 sensor 7 value 42.25 unit C" {
		t.Errorf("outside they see %q", got)
	}
}

// What a killed supervisor left is removed by the next; what others made is an
// error that names them.
func TestStaleAndForeignQueues(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	cfg, j := sharedConfig(t), &journal{}
	cfg.Log = j.log
	killed, err := bus.New(cfg)
	must(t, err)
	before, err := killed.Lanes()
	must(t, err)
	b, err := bus.New(cfg)
	must(t, err)
	if n, err := bus.Rows(); n != len(before) || err != nil {
		t.Errorf("%d queues, %v; want %d", n, err, len(before))
	}
	if n := strings.Count(j.text(), "left behind"); n != len(before) {
		t.Errorf("%d of %d removals are in the log:\n%s", n, len(before), j.text())
	}
	must(t, b.Close())
	if _, err := os.Stat(cfg.Ledger); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ledger: %v", err)
	}
	noRows(t)

	a := start(t, rogue)
	if got := a.Do("create %d 438", routineKey); !strings.HasPrefix(got, "ok") {
		t.Fatal(got)
	}
	_, err = bus.New(cfg)
	if !errors.Is(err, sysvctl.ErrForeign) || !strings.Contains(err.Error(), fmt.Sprintf("made by user %d ", firstID+rogue)) {
		t.Errorf("foreign: %v", err)
	}
	if n, err := bus.Rows(); n != 1 || err != nil {
		t.Errorf("%d queues, %v; want the foreign one alone", n, err)
	}
	// Also when it stands in the ledger, with an id that was used again.
	st, err := sysvctl.Open(routineKey, sysvctl.Wanted{Anyone: true})
	must(t, err)
	must(t, os.WriteFile(cfg.Ledger, fmt.Appendf(nil, "%d %d\nrubbish\n12", st.ID(), routineKey), 0o600))
	if _, err := bus.New(cfg); !errors.Is(err, sysvctl.ErrForeign) {
		t.Errorf("foreign, in the ledger: %v", err)
	}
	must(t, st.Remove())
}

// Senders of a shared queue cannot wait for room: nobody could be woken alone.
func TestSharedDoesNotBlock(t *testing.T) {
	cfg := config()
	cfg.Queues[0].Shared, cfg.Queues[0].Full = true, lane.Block
	if _, err := bus.New(cfg); err == nil || !strings.Contains(err.Error(), "cannot wait") {
		t.Error(err)
	}
}
