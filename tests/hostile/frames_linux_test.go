package hostile_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/bus"
	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/internal/sys"
	"sallyport/internal/testenv"
)

// laneFrom is the id of the lane of a kind from one worker to another.
func laneFrom(t *testing.T, b *bus.Bus, kind string, from, to uint32) int32 {
	t.Helper()
	list, err := b.Depth(from)
	must(t, err)
	for _, d := range list {
		if d.Kind == kind && d.From == from && d.To == to {
			return d.ID
		}
	}
	t.Fatalf("no %s lane from %d to %d", kind, from, to)
	return noLane
}

// What a worker lies about in its own lane, past both guards: the receiver
// believes nothing that the lane does not say.
func TestLyingFrames(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := openBus(t)
	w := confined(t, b, rogue, false)
	id := laneFrom(t, b, "routine", rogue, store)
	var reasons []string
	r, err := lane.NewReceiver(lane.ReceiverConfig{Worker: store, Ins: b.Ins(store), Rejected: func(from uint32, reason error) {
		if from != rogue {
			t.Errorf("worker %d is blamed", from)
		}
		reasons = append(reasons, reason.Error())
	}})
	must(t, err)
	honest := reading.Frame{Kind: reading.Reading, Band: 9, Worker: rogue, Sensor: 1, Epoch: 1, Seq: 5, Boottime: 1, Wall: 1, Value: 20, Unit: "C"}
	future := time.Now().Add(1000 * time.Hour).UnixNano()
	bits := func(f float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)) }
	for _, c := range []struct {
		name   string
		seq    uint64
		mtype  int64
		change func(frame []byte)
		reason string // "" where the frame is taken
	}{
		{"honest", 5, 9, nil, ""},
		{"the same number again", 5, 9, nil, "came twice"},
		{"numbers left out", 9, 9, nil, ""},
		{"an older number", 4, 9, nil, ""},
		{"a sibling's number", 10, 9, func(b []byte) { b[4] = sampler }, "from worker 1"},
		{"another band than its type", 11, 1, nil, "band 9 came with message type 1"},
		{"the largest type", 12, math.MaxInt, nil, fmt.Sprint("band 9 came with message type ", math.MaxInt)},
		{"an alert in a routine lane", 13, 9, func(b []byte) { b[1] = byte(reading.Alert) }, "alert in a lane"},
		{"an acknowledgement", 14, 9, func(b []byte) { b[1] = byte(reading.Ack) }, "acknowledgement in a lane"},
		{"an unknown kind", 15, 9, func(b []byte) { b[1] = 200 }, "kind 200"},
		{"an unknown version", 16, 9, func(b []byte) { b[0] = 2 }, "version 2"},
		{"NaN", 17, 9, func(b []byte) { copy(b[40:], bits(math.NaN())) }, "not finite"},
		{"infinity", 18, 9, func(b []byte) { copy(b[40:], bits(math.Inf(1))) }, "not finite"},
		{"minus infinity", 19, 9, func(b []byte) { copy(b[40:], bits(math.Inf(-1))) }, "not finite"},
		{"escapes in the unit", 20, 9, func(b []byte) { copy(b[48:], "\x1b[2J") }, "unit"},
		{"reserved bytes", 21, 9, func(b []byte) { b[63] = 1 }, "reserved"},
		{"sequence number 0", 0, 9, func(b []byte) { clear(b[16:24]) }, "sequence number 0"},
		// A wrong clock is no lie: the times are the sender's word, and nothing waits for them.
		{"a time in the future", 22, 9, func(b []byte) { binary.LittleEndian.PutUint64(b[24:], uint64(future)) }, ""},
		{"the last number there is", math.MaxUint64, 9, nil, ""},
	} {
		f := honest
		f.Seq = max(c.seq, 1)
		frame := make([]byte, reading.Size)
		_, err := f.Encode(frame)
		must(t, err)
		if c.change != nil {
			c.change(frame)
		}
		reasons = nil
		if got := w.do("frame %d %d %s", id, c.mtype, hex.EncodeToString(frame)); got != "ok 0" {
			t.Fatalf("%s: %s", c.name, got)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // takes what is there, and does not wait
		began := time.Now()
		item, err := r.Receive(ctx)
		switch {
		case time.Since(began) > 10*time.Second:
			t.Errorf("%s: the receiver was held up for %v", c.name, time.Since(began))
		case c.reason == "" && (err != nil || item.Frame.Seq != c.seq || item.Frame.Worker != rogue):
			t.Errorf("%s: %+v, %v, rejected %q", c.name, item, err, reasons)
		case c.reason != "" && (err == nil || !slices.ContainsFunc(reasons, func(s string) bool { return strings.Contains(s, c.reason) })):
			t.Errorf("%s: %+v, %v, rejected %q, want %q", c.name, item, err, reasons, c.reason)
		}
		r.Acted()
	}
	var gaps uint64
	for _, c := range r.Counts() {
		gaps += c.Gaps
	}
	if gaps < 4 {
		t.Errorf("%d gaps found, there were more", gaps)
	}
}

// A worker that floods fills its own lanes and nobody else's.
func TestFloodStaysInItsLane(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := openBus(t)
	flooding, good := confined(t, b, rogue, false), confined(t, b, sampler, false)
	routine := laneFrom(t, b, "routine", rogue, store)
	if got := flooding.do("flood %d 9 64", routine); got != "ok 128" {
		t.Errorf("the flood: %s, want 8192 bytes of frames", got)
	}
	for kind, to := range map[string][]uint32{"urgent": {store, alarm}, "routine": {store}} {
		for _, receiver := range to {
			if got := good.do("send %d 1 64 %d", laneFrom(t, b, kind, sampler, receiver), nowait); got != "ok 0" {
				t.Errorf("a %s frame of the sampler for %s: %s", kind, names[receiver], got)
			}
		}
	}
	// Alert-band spam fills the urgent lane of the spammer alone.
	spam := laneFrom(t, b, "urgent", sampler, alarm)
	if got := good.do("flood %d 1 64", spam); got != "ok 63" {
		t.Errorf("the spam: %s", got)
	}
	if got := good.do("send %d 1 64 %d", laneFrom(t, b, "urgent", sampler, store), nowait); got != "ok 0" {
		t.Errorf("an alert for another: %s", got)
	}
}

// After a revoke nothing enters, whatever the worker is doing at that moment, and
// what it sent before can still be received.
func TestRevokeOfAFloodingWorker(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := openBus(t)
	id := laneFrom(t, b, "routine", rogue, store)
	for _, w := range []*worker{bare(t, rogue), confined(t, b, rogue, false)} {
		must(t, b.Permit(rogue))
		w.tell("flood %d 9 64", id)
		must(t, b.Revoke(rogue))
		before, err := sys.MsgStat(id, sys.MsgStatID)
		must(t, err)
		if got := w.hear(); !strings.HasPrefix(got, "ok ") {
			t.Errorf("the flood: %s", got)
		}
		if got := w.do("send %d 9 64 %d", id, nowait); got != "EACCES" {
			t.Errorf("after the revoke: %s", got)
		}
		after, err := sys.MsgStat(id, sys.MsgStatID)
		must(t, err)
		if after.Qnum != before.Qnum {
			t.Errorf("%d frames when Revoke returned, %d later", before.Qnum, after.Qnum)
		}
		for range after.Qnum {
			_, _, err := sys.MsgReceive(id, make([]byte, 64), 0, nowait)
			must(t, err)
		}
	}
	// One without a filter that sleeps in msgsnd is woken with an error.
	must(t, b.Permit(rogue))
	w := bare(t, rogue)
	w.do("flood %d 9 64", id)
	w.tell("send %d 9 64 0", id)
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	must(t, b.Revoke(rogue))
	if got := w.hear(); got != "EACCES" {
		t.Errorf("asleep in msgsnd: %s", got)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("woken after %v", took)
	}
}
