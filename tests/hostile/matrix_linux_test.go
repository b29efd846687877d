package hostile_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/bus"
	"sallyport/internal/sys"
	"sallyport/internal/testenv"
)

// lanes are the queue ids that an action is tried on, as one worker sees them. An
// id of -1 stands for a lane that this worker does not have.
type lanes struct {
	own      int32 // it sends on it: an urgent or routine lane, or one for acknowledgements
	incoming int32 // it receives from it
	others   int32 // neither; a sibling sends on it and another receives
	stale    int32 // of no queue
	band     int64
}

const noLane = -1

func lanesOf(t *testing.T, b *bus.Bus, id uint32) lanes {
	t.Helper()
	r := b.Rights(id)
	l := lanes{own: noLane, incoming: noLane, others: noLane, stale: 30000, band: 9}
	var all []bus.Depth
	for _, other := range workers {
		list, err := b.Depth(other)
		must(t, err)
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b bus.Depth) int { return cmp.Compare(b.Kind, a.Kind) }) // urgent, tap, routine, ack
	for _, d := range all {
		switch {
		case slices.Contains(r.Send, d.ID):
			l.own = d.ID
		case slices.Contains(r.Receive, d.ID):
			l.incoming = d.ID
		case d.From != 0 && d.To != 0:
			l.others = d.ID
		}
	}
	return l
}

// action is one thing that a worker tries. The outcomes are those of the modes
// alone, the filter alone and both. nr is the call that the filter stops.
type action struct {
	name                string
	order               func(l lanes) string // "" where the worker has no such lane
	modes, filter, both string
	nr                  int32
}

func on(id int32, format string, args ...any) string {
	if id == noLane {
		return ""
	}
	return fmt.Sprintf(format, append([]any{id}, args...)...)
}

const (
	nowait = sys.MsgNoWait
	snd    = int32(unix.SYS_MSGSND)
	rcv    = int32(unix.SYS_MSGRCV)
	get    = int32(unix.SYS_MSGGET)
	ctl    = int32(unix.SYS_MSGCTL)
)

// Every lane holds messages of type 7, so that who may receive does.
var actions = []action{
	{"sends a frame on its own lane", func(l lanes) string { return on(l.own, "send %d 9 64 %d", nowait) }, "ok 0", "ok 0", "ok 0", 0},
	{"sends on a lane of others", func(l lanes) string { return on(l.others, "send %d 9 64 %d", nowait) }, "EACCES", "breach", "breach", snd},
	{"sends on the lane it receives from", func(l lanes) string { return on(l.incoming, "send %d 9 64 %d", nowait) }, "EACCES", "breach", "breach", snd},
	{"sends to a stale id", func(l lanes) string { return on(l.stale, "send %d 9 64 %d", nowait) }, "EINVAL", "breach", "breach", snd},
	{"sends type 0", func(l lanes) string { return on(l.own, "send %d 0 64 %d", nowait) }, "EINVAL", "EINVAL", "EINVAL", 0},
	{"sends type -1", func(l lanes) string { return on(l.own, "send %d -1 64 %d", nowait) }, "EINVAL", "EINVAL", "EINVAL", 0},
	{"sends the largest type", func(l lanes) string { return on(l.own, "send %d %d 64 %d", math.MaxInt, nowait) }, "ok 0", "ok 0", "ok 0", 0},
	{"sends no bytes", func(l lanes) string { return on(l.own, "send %d 9 0 %d", nowait) }, "ok 0", "breach", "breach", snd},
	{"sends a byte too much", func(l lanes) string { return on(l.own, "send %d 9 65 %d", nowait) }, "ok 0", "breach", "breach", snd},
	{"sends 2048 bytes", func(l lanes) string { return on(l.own, "send %d 9 2048 %d", nowait) }, "ok 0", "breach", "breach", snd},
	{"sends and would wait", func(l lanes) string { return on(l.own, "send %d 9 64 0") }, "ok 0", "breach", "breach", snd},
	{"receives from its lane", func(l lanes) string { return on(l.incoming, "receive %d 7 256 %d", nowait) }, "ok 1", "ok 1", "ok 1", 0},
	{"receives from its lane and would wait", func(l lanes) string { return on(l.incoming, "receive %d 7 256 0") }, "ok 1", "ok 1", "ok 1", 0},
	{"receives what it sent", func(l lanes) string { return on(l.own, "receive %d 7 256 %d", nowait) }, "EACCES", "breach", "breach", rcv},
	{"receives what is for others", func(l lanes) string { return on(l.others, "receive %d 7 256 %d", nowait) }, "ok 1", "breach", "breach", rcv},
	{"copies from its lane", func(l lanes) string { return on(l.incoming, "receive %d 0 256 %d", nowait|sys.MsgCopy) }, "ok 1", "breach", "breach", rcv},
	{"copies what is for others", func(l lanes) string { return on(l.others, "receive %d 0 256 %d", nowait|sys.MsgCopy) }, "ok 1", "breach", "breach", rcv},
	{"receives all but a type", func(l lanes) string { return on(l.incoming, "receive %d 1 256 %d", nowait|sys.MsgExcept) }, "ok 1", "breach", "breach", rcv},
	{"cuts what it receives", func(l lanes) string { return on(l.incoming, "receive %d 7 0 %d", nowait|sys.MsgNoError) }, "ok 0", "breach", "breach", rcv},
	{"looks a key up", func(lanes) string { return "get 1234 0" }, "ENOENT", "breach", "breach", get},
	{"makes a queue", func(lanes) string { return "get 1234 1023" }, "ok", "breach", "breach", get},
	{"makes a queue without a key", func(lanes) string { return "get 0 1023" }, "ok", "breach", "breach", get},
	{"asks about its own lane", func(l lanes) string { return on(l.own, "control %d 2") }, "EACCES", "breach", "breach", ctl},
	{"asks about a lane of others", func(l lanes) string { return on(l.others, "control %d 2") }, "ok 0", "breach", "breach", ctl},
	{"asks about any lane", func(l lanes) string { return on(l.others, "control %d 13") }, "ok 0", "breach", "breach", ctl},
	{"asks about the namespace", func(lanes) string { return "control 0 3" }, "ok 0", "breach", "breach", ctl},
	{"changes its own lane", func(l lanes) string { return on(l.own, "control %d 1") }, "EPERM", "breach", "breach", ctl},
	{"changes a lane of others", func(l lanes) string { return on(l.others, "control %d 1") }, "EPERM", "breach", "breach", ctl},
	{"removes its own lane", func(l lanes) string { return on(l.own, "control %d 0") }, "EPERM", "breach", "breach", ctl},
	{"removes a lane of others", func(l lanes) string { return on(l.others, "control %d 0") }, "EPERM", "breach", "breach", ctl},
}

// Worker by action by guard. The filter alone is on trial when the lanes are open
// to everybody.
func TestMatrix(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := openBus(t)
	tried := 0
	for _, guard := range []string{"modes", "both", "filter"} {
		if guard == "filter" {
			for _, id := range workers {
				list, err := b.Depth(id)
				must(t, err)
				for _, d := range list {
					must(t, sys.MsgSet(d.ID, 0, 0, 0o666, d.Limit))
				}
			}
		}
		for _, id := range workers {
			var w *worker
			if guard == "modes" {
				w = bare(t, id)
			} else {
				w = confined(t, b, id, true)
			}
			l := lanesOf(t, b, id)
			for _, a := range actions {
				order := a.order(l)
				if order == "" {
					continue
				}
				wanted := map[string]string{"modes": a.modes, "filter": a.filter, "both": a.both}[guard]
				refill(t, l)
				before := queues(t)
				got := w.do("%s", order)
				if wanted != got && !(wanted == "ok" && strings.HasPrefix(got, "ok ")) {
					t.Errorf("%s: %s %s (%s): %s, want %s", guard, names[id], a.name, order, got, wanted)
				}
				tried++
				clean(t, before)
			}
		}
	}
	t.Logf("%d cells of %d workers, %d actions and 3 sets of guards", tried, len(workers), len(actions))
}

// refill empties the lanes and puts a message into each.
func refill(t *testing.T, l lanes) {
	t.Helper()
	for _, id := range []int32{l.own, l.incoming, l.others} {
		if id == noLane {
			continue
		}
		for {
			if _, _, err := sys.MsgReceive(id, make([]byte, 8192), 0, nowait); err != nil {
				break
			}
		}
		must(t, sys.MsgSend(id, 7, []byte{7}, nowait))
	}
}

func queues(t *testing.T) (list []int32) {
	t.Helper()
	info, err := sys.MsgLimits(sys.MsgInfoMSG)
	must(t, err)
	for i := range info.Index + 1 {
		if st, err := sys.MsgStat(i, sys.MsgStatAny); err == nil {
			list = append(list, st.Index)
		}
	}
	return list
}

// clean removes the queues that a worker made, and sees that none is missing.
func clean(t *testing.T, before []int32) {
	t.Helper()
	after := queues(t)
	for _, id := range after {
		if !slices.Contains(before, id) {
			must(t, sys.MsgRemoveID(id))
		}
	}
	for _, id := range before {
		if !slices.Contains(after, id) {
			t.Fatalf("queue %d is gone", id)
		}
	}
}

// A real worker does not survive what the filter stops, and is named.
func TestBreachEndsTheWorker(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := openBus(t)
	var took []time.Duration
	for i, a := range actions {
		if a.nr == 0 {
			continue
		}
		id := workers[i%len(workers)]
		if a.order(lanesOf(t, b, id)) == "" {
			id = store // has lanes of every sort
		}
		l := lanesOf(t, b, id)
		refill(t, l)
		w := confined(t, b, id, false)
		began := time.Now()
		w.tell("%s", a.order(l))
		select {
		case <-w.process.Done():
		case <-time.After(30 * time.Second):
			t.Fatalf("%s %s, and lives", names[id], a.name)
		}
		exit := w.process.Exit()
		if exit.Breach == nil || exit.Breach.Nr != a.nr || exit.Status.Signal() != unix.SIGKILL {
			t.Errorf("%s %s: %+v, want the end for call %d", names[id], a.name, exit, a.nr)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("%d ends, median %v, slowest %v", len(took), took[len(took)/2], took[len(took)-1])
	if middle := took[len(took)/2]; middle > 100*time.Millisecond && !busy() {
		t.Errorf("the end of a worker takes %v", middle)
	}
}

// busy says that other programs of the machine want more than its processors.
func busy() bool {
	var load float64
	text, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(text), &load)
	}
	return err != nil || load > float64(runtime.NumCPU())
}
