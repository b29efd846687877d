package sdktest_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/sysvctl"
)

// counted reads COUNTs until the worker's channel ends, and returns the last of
// each urgency; and how often it said each kind.
func counted(t *testing.T, p *workertest.Process) (map[bool]lane.Count, map[uint16]int) {
	t.Helper()
	last, kinds := map[bool]lane.Count{}, map[uint16]int{}
	for m := range p.Heard {
		kinds[m.Kind]++
		if m.Kind != lane.MsgCount {
			continue
		}
		c, err := lane.DecodeCount(m.Body)
		if err != nil {
			t.Fatal(err)
		}
		last[c.Urgent] = c
	}
	return last, kinds
}

// TestWorkerSends: a whole worker of a few lines sends readings and alerts that
// the Go side of the bus takes, the alert again until it is acknowledged.
func TestWorkerSends(t *testing.T) {
	t.Parallel()
	if !testenv.PrivateIPC(t) {
		return
	}
	atOnce(t, func(t *testing.T, l language) {
		lanes := workertest.NewLanes(t)
		p := workertest.Program(t, 4, l.command(t, "worker"))
		p.GrantBells(lanes, nil)
		hot := workertest.Memfd(t, "85500\n")
		p.Grant("cpu_temp", scmrights.KindAttribute, hot)
		p.Grant("load", scmrights.KindAttribute, workertest.Memfd(t, "0.25 1.5 2\n"))
		out := lanes.Out(2)
		p.Start(lane.Start{
			Settings: map[string]string{"role": "send", "every": "20ms"},
			Sensors: []lane.Sensor{
				workertest.Sensor(7, "cpu", "cpu_temp", "milli"), workertest.Sensor(8, "load", "load", "field:1"),
				workertest.Sensor(9, "absent", "absent", ""), {ID: 10, Name: "other", Worker: 3},
			},
			Send: []lane.Out{out},
		})
		p.Ready()

		r := lanes.Receiver(2, 1)
		start := time.Now()
		seen := map[string]reading.Frame{}
		for len(seen) < 3 && time.Since(start) < workertest.Patience {
			item, err := r.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			f := item.Frame
			if f.Worker != 1 || f.Epoch != 4 || f.Unit != "C" || time.Since(time.Unix(0, f.Wall)).Abs() > time.Minute {
				t.Fatalf("frame %+v", f)
			}
			seen[fmt.Sprintf("%v %d", f.Kind, f.Sensor)] = f
		}
		cpu, load, alert := seen["reading 7"], seen["reading 8"], seen["alert 7"]
		if cpu.Value != 85.5 || load.Value != 1.5 || alert.Value != 85.5 {
			t.Errorf("cpu %v, load %v, alert %v", cpu.Value, load.Value, alert.Value)
		}
		if want, _ := reading.CutText("too \x1b hot " + strings.Repeat("é", 200)); alert.Text != want || alert.Flags&reading.FlagCut == 0 {
			t.Errorf("text %q, flags %#x, want %q", alert.Text, alert.Flags, want)
		}
		if _, err := hot.WriteAt([]byte("20000\n"), 0); err != nil { // no more alerts
			t.Fatal(err)
		}
		for last := time.Now(); time.Since(last) < 200*time.Millisecond; {
			item, err := r.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if item.Urgent {
				last = time.Now()
			}
		}
		p.Stop()
		if err := p.End(); err != nil {
			t.Errorf("%v\n%s", err, p.Stderr.String())
		}
		last, kinds := counted(t, p)
		r.Acted()
		_, routine := lanes.Waiting()
		got := map[bool]lane.Count{}
		for _, c := range r.Counts() {
			got[c.Urgent] = c
		}
		if c := last[true]; c.Peer != 2 || c.Role != lane.RoleSender || c.Epoch != 4 || c.First != 1 || c.Taken == 0 || c.Taken != got[true].Taken || c.Dropped != 0 {
			t.Errorf("urgent: it says %+v, the receiver %+v", c, got[true])
		}
		if c := last[false]; c.Last != c.Taken || c.Taken != got[false].Taken+routine || c.Taken < 2 {
			t.Errorf("routine: it says %+v, the receiver %+v, %d wait", c, got[false], routine)
		}
		if kinds[lane.MsgDone] != 0 || kinds[lane.MsgAlive] == 0 {
			t.Errorf("messages %v", kinds)
		}
	})
}

// TestWorkerWaitsForRoom: with full = "block" nothing is dropped at a full lane,
// and the worker answers the supervisor while it waits.
func TestWorkerWaitsForRoom(t *testing.T) {
	t.Parallel()
	if !testenv.PrivateIPC(t) {
		return
	}
	atOnce(t, func(t *testing.T, l language) {
		lanes := workertest.NewLanes(t)
		if _, err := lanes.Routine.Throttle(2 * reading.Size); err != nil {
			t.Fatal(err)
		}
		p := workertest.Program(t, 1, l.command(t, "worker"))
		p.GrantBells(lanes, nil)
		p.Grant("cpu_temp", scmrights.KindAttribute, workertest.Memfd(t, "20\n"))
		out := lanes.Out(2)
		out.Full = lane.Block
		p.Start(lane.Start{
			Settings: map[string]string{"role": "send", "every": "1ms"},
			Sensors:  []lane.Sensor{workertest.Sensor(7, "cpu", "cpu_temp", "")}, Send: []lane.Out{out},
		})
		p.Ready()
		waited := false // and then alive at a full lane
		for m := range p.Heard {
			if c, err := lane.DecodeCount(m.Body); m.Kind == lane.MsgCount && err == nil && c.Waited > 0 {
				waited = true
			}
			if waited && m.Kind == lane.MsgAlive {
				break
			}
		}
		r := lanes.Receiver(2, 1)
		for want := uint64(1); want <= 8; want++ {
			item, err := r.Receive(t.Context())
			if err != nil || item.Frame.Seq != want {
				t.Fatalf("number %d, want %d; %v", item.Frame.Seq, want, err)
			}
		}
		p.Stop()
		if err := p.End(); err != nil {
			t.Errorf("%v\n%s", err, p.Stderr.String())
		}
		last, _ := counted(t, p)
		if c := last[false]; c.Waited == 0 || c.Dropped > 1 || c.Last != c.Taken+c.Dropped {
			t.Errorf("%+v", c)
		}
	})
}

// TestWorkerResends: an alert that nobody acknowledges comes again after a second.
func TestWorkerResends(t *testing.T) {
	t.Parallel()
	if !testenv.PrivateIPC(t) {
		return
	}
	atOnce(t, func(t *testing.T, l language) {
		lanes := workertest.NewLanes(t)
		p := workertest.Program(t, 1, l.command(t, "worker"))
		p.GrantBells(lanes, nil)
		p.Grant("cpu_temp", scmrights.KindAttribute, workertest.Memfd(t, "99\n"))
		p.Start(lane.Start{
			Settings: map[string]string{"role": "send", "every": "1h"},
			Sensors:  []lane.Sensor{workertest.Sensor(7, "cpu", "cpu_temp", "")}, Send: []lane.Out{lanes.Out(2)},
		})
		p.Ready()
		for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			urgent, routine := lanes.Waiting()
			if urgent == 2 && routine == 1 {
				break
			}
			if time.Since(start) > workertest.Patience || urgent > 2 {
				t.Fatalf("%d alerts and %d readings wait, want 2 and 1", urgent, routine)
			}
		}
		time.Sleep(500 * time.Millisecond) // the next one would be due after 2 s
		if urgent, _ := lanes.Waiting(); urgent != 2 {
			t.Errorf("%d alerts wait", urgent)
		}
		r := lanes.Receiver(2, 1)
		item, err := r.Receive(t.Context())
		if err != nil || !item.Urgent || item.Frame.Seq != 1 {
			t.Errorf("%+v, %v", item, err)
		}
		if item, err = r.Receive(t.Context()); err != nil || item.Urgent { // the second copy is not shown
			t.Errorf("%+v, %v", item, err)
		}
		p.Conn.Close() // the supervisor is gone: the worker ends without a word
		if err := p.End(); err == nil || p.Stderr.Len() != 0 {
			t.Errorf("%v, %q", err, p.Stderr.String())
		}
	})
}

// TestWorkerReceives: a worker takes alerts before readings, once each, and
// acknowledges them; what is forged it counts and does not show.
func TestWorkerReceives(t *testing.T) {
	t.Parallel()
	if !testenv.PrivateIPC(t) {
		return
	}
	atOnce(t, func(t *testing.T, l language) {
		lanes := workertest.NewLanes(t)
		cmd := l.command(t, "worker")
		var out bytes.Buffer
		cmd.Stdout = &out
		p := workertest.Program(t, 1, cmd)
		p.GrantBells(nil, lanes)
		s := lanes.Sender(1, 2)
		for i := range 5 {
			if err := s.Reading(7, "reading", float64(i), "C"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Alert(8, "alert", 9.5, "C", "too warm"); err != nil {
			t.Fatal(err)
		}
		again := lanes.Sender(1, 2) // the same alert, by its number
		if err := again.Alert(8, "alert", 9.5, "C", "too warm"); err != nil {
			t.Fatal(err)
		}
		forger, err := lane.NewSender(lane.SenderConfig{Worker: 3, Epoch: 9, Outs: []lane.Out{lanes.Out(2)}, Bells: map[string]*os.File{"bell.out": lanes.Ring}})
		if err != nil {
			t.Fatal(err)
		}
		if err := forger.Reading(7, "reading", 666, "C"); err != nil {
			t.Fatal(err)
		}
		if err := lanes.Routine.TrySend(1, bytes.Repeat([]byte{1}, 300)); err != nil { // longer than any frame
			t.Fatal(err)
		}
		p.Start(lane.Start{
			Worker: lane.StartWorker{ID: 2, Name: "store"}, Receive: []lane.In{lanes.In(1)}, Bell: "bell",
			Sensors: []lane.Sensor{workertest.Sensor(7, "cpu", "", "")},
		})
		p.Ready()
		for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			st, err := lanes.Ack.Stat()
			if err != nil || time.Since(start) > workertest.Patience {
				t.Fatalf("%d acknowledgements of an alert that came twice, %v", st.Messages, err)
			}
			if st.Messages == 2 {
				break
			}
		}
		if s.Tick(); s.Waiting() != 0 {
			t.Error("the acknowledgement is not for this alert")
		}
		for i := range 3 { // the bell rings
			if err := s.Reading(7, "reading", float64(10+i), "C"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		seen, err := lane.DecodeSeen(p.Expect(lane.MsgSeen).Body)
		if err != nil || seen.Seq != 1 || seen.From != 1 || seen.Sensor != 8 || seen.Overtook != 5 || seen.LatencyUS == 0 {
			t.Errorf("%+v, %v, want an alert that overtook 5", seen, err)
		}
		p.Stop()
		if err := p.End(); err != nil {
			t.Errorf("%v\n%s", err, p.Stderr.String())
		}
		name := "sensor 8"
		if l.name == "c" {
			name = "" // as its header says
		}
		want := "alert " + name + " 1 9.5 C too warm 1\n"
		for i, v := range []int{0, 1, 2, 3, 4, 10, 11, 12} {
			want += fmt.Sprintf("reading cpu 1 %d.0 C  %d\n", v, i+1)
		}
		if got := out.String(); got != want {
			t.Errorf("it printed\n%s, want\n%s", got, want)
		}
		last, _ := counted(t, p)
		if c := last[false]; c.Peer != 1 || c.Role != lane.RoleReceiver || c.First != 1 || c.Last != 8 || c.Gaps != 0 || c.Taken != 8 || c.Dropped != 2 {
			t.Errorf("routine: %+v", c)
		}
		if c := last[true]; c.Taken != 1 || c.Last != 1 || c.Dropped != 0 {
			t.Errorf("urgent: %+v", c)
		}
	})
}

// TestWorkerShares: a worker of a shared queue takes what a worker and what a
// program from outside sends, acknowledges the former's alerts, and speaks of no
// gaps.
func TestWorkerShares(t *testing.T) {
	t.Parallel()
	if !testenv.PrivateIPC(t) {
		return
	}
	atOnce(t, func(t *testing.T, l language) {
		lanes := workertest.NewLanes(t)
		cmd := l.command(t, "worker")
		var out bytes.Buffer
		cmd.Stdout = &out
		p := workertest.Program(t, 1, cmd)
		p.GrantBells(nil, lanes)
		s, outside := lanes.Sender(1, lane.Anyone), lanes.Sender(lane.Anyone, lane.Anyone)
		for _, err := range []error{
			s.Alert(7, "alert", 1, "", ""), s.Reading(7, "reading", 2, ""), s.Reading(7, "reading", 3, ""),
			outside.Reading(7, "reading", 4, ""), outside.Alert(7, "alert", 5, "", ""),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		// Another receiver has taken one of the readings.
		if _, err := lanes.Routine.TryReceive(sysvctl.Any(), make([]byte, reading.Size)); err != nil {
			t.Fatal(err)
		}
		again := lanes.Sender(lane.Anyone, lane.Anyone) // another program, with the same numbers
		if err := again.Reading(7, "reading", 6, ""); err != nil {
			t.Fatal(err)
		}
		first, anyone := lanes.In(1), lanes.In(lane.Anyone)
		anyone.Ack = lane.NoLane
		p.Start(lane.Start{
			Worker: lane.StartWorker{ID: 2, Name: "store"}, Receive: []lane.In{first, anyone}, Bell: "bell",
			Sensors: []lane.Sensor{workertest.Sensor(7, "cpu", "", "")},
		})
		p.Ready()
		for start := time.Now(); s.Waiting() > 0; time.Sleep(5 * time.Millisecond) {
			if s.Tick(); time.Since(start) > workertest.Patience {
				t.Fatal("the alert is not acknowledged")
			}
		}
		p.Stop()
		if err := p.End(); err != nil {
			t.Errorf("%v\n%s", err, p.Stderr.String())
		}
		want := "alert cpu 1 1.0   1\nalert cpu 4294967295 5.0   1\nreading cpu 1 3.0   2\nreading cpu 4294967295 4.0   1\nreading cpu 4294967295 6.0   1\n"
		if got := out.String(); got != want {
			t.Errorf("it printed\n%q, want\n%q", got, want)
		}
		taken := map[uint32]uint64{}
		last := map[string]lane.Count{}
		for m := range p.Heard {
			if c, err := lane.DecodeCount(m.Body); m.Kind == lane.MsgCount && err == nil {
				last[fmt.Sprint(c.Peer, c.Urgent)] = c
			}
		}
		for _, c := range last {
			taken[c.Peer] += c.Taken
			if c.Gaps != 0 || c.Dropped != 0 {
				t.Errorf("%+v", c)
			}
		}
		if taken[1] != 2 || taken[lane.Anyone] != 3 {
			t.Errorf("taken %v", taken)
		}
	})
}

// TestWorkerRingsAll: a sender of a shared queue rings every receiver's bell, and
// believes the acknowledgement of any.
func TestWorkerRingsAll(t *testing.T) {
	t.Parallel()
	if !testenv.PrivateIPC(t) {
		return
	}
	atOnce(t, func(t *testing.T, l language) {
		lanes, other := workertest.NewLanes(t), workertest.NewLanes(t)
		p := workertest.Program(t, 1, l.command(t, "worker"))
		p.Grant("bell.out", scmrights.KindPipe, lanes.Ring)
		p.Grant("bell.other", scmrights.KindPipe, other.Ring)
		p.Grant("cpu_temp", scmrights.KindAttribute, workertest.Memfd(t, "99\n"))
		out := lanes.Out(lane.Anyone)
		ring := out
		ring.Urgent, ring.Routine, ring.Ack, ring.Bell = lane.NoLane, lane.NoLane, lane.NoLane, "bell.other"
		p.Start(lane.Start{
			Settings: map[string]string{"role": "send", "every": "1h"},
			Sensors:  []lane.Sensor{workertest.Sensor(7, "cpu", "cpu_temp", "")}, Send: []lane.Out{out, ring},
		})
		p.Ready()
		r := lanes.Receiver(8, 1)
		for urgent := false; !urgent; { // the reading may come before the alert
			item, err := r.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			urgent = item.Urgent
		}
		r.Acted()
		if n, err := other.Listen.Read(make([]byte, 16)); n == 0 || err != nil {
			t.Errorf("the other receiver's bell: %d rings, %v", n, err)
		}
		time.Sleep(1300 * time.Millisecond) // it would come again after 1 s
		if urgent, _ := lanes.Waiting(); urgent != 0 {
			t.Error("the alert came again")
		}
		p.Stop()
		if err := p.End(); err != nil {
			t.Errorf("%v\n%s", err, p.Stderr.String())
		}
	})
}
