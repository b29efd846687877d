package bus_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"sallyport/internal/bus"
	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

// sender makes a Sender in this process, which owns the lanes and so may send.
func sender(t *testing.T, b *bus.Bus, id, epoch uint32) *lane.Sender {
	t.Helper()
	s, err := lane.NewSender(lane.SenderConfig{Worker: id, Epoch: epoch, Outs: b.Outs(id), Bells: bells(t, b, id)})
	must(t, err)
	return s
}

func receiver(t *testing.T, b *bus.Bus, id uint32) *lane.Receiver {
	t.Helper()
	r, err := lane.NewReceiver(lane.ReceiverConfig{Worker: id, Ins: b.Ins(id), Bell: bells(t, b, id)["bell"]})
	must(t, err)
	return r
}

func bells(t *testing.T, b *bus.Bus, id uint32) map[string]*os.File {
	t.Helper()
	list, err := b.Bells(id)
	must(t, err)
	files := map[string]*os.File{}
	for _, bell := range list {
		files[bell.Name] = bell.File
		t.Cleanup(func() { bell.File.Close() })
	}
	return files
}

func next(t *testing.T, r *lane.Receiver) lane.Item {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	item, err := r.Receive(ctx)
	must(t, err)
	return item
}

func TestEverySubscriberGetsACopyAndTheTapToo(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	s := sender(t, b, sampler, 1)
	must(t, s.Reading(7, "bulk", 1, "°C"))
	must(t, s.Alert(7, "alert", 2, "°C", "warm"))
	atStore, atAlarm := receiver(t, b, store), receiver(t, b, alarm)
	for name, c := range map[string]struct {
		r    *lane.Receiver
		want []float64
		text string
	}{
		"store": {atStore, []float64{2, 1}, "warm"},
		"alarm": {atAlarm, []float64{2}, "warm"},
		"tap":   {b.Tap(), []float64{2, 1}, ""},
	} {
		for i, value := range c.want {
			item := next(t, c.r)
			if item.Frame.Value != value || i == 0 && item.Frame.Text != c.text {
				t.Errorf("%s: %+v, want %v %q", name, item, value, c.text)
			}
		}
		c.r.Acted()
	}
	s.Tick()
	if s.Waiting() != 0 {
		t.Errorf("%d alerts wait for their acknowledgement", s.Waiting())
	}
}

func TestBandThatNobodyHearsGoesToTheTap(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	cfg := config()
	cfg.Members = cfg.Members[:1]
	b := open(t, cfg)
	s := sender(t, b, sampler, 1)
	must(t, s.Reading(7, "reading", 3, ""))
	must(t, s.Alert(7, "alert", 4, "", "text"))
	if item := next(t, b.Tap()); item.Frame.Value != 4 || !item.Urgent {
		t.Errorf("%+v", item)
	}
	if item := next(t, b.Tap()); item.Frame.Value != 3 {
		t.Errorf("%+v", item)
	}
	if err := sender(t, b, sampler, 1).Reading(7, "other", 3, ""); !errors.Is(err, lane.ErrBand) {
		t.Error(err)
	}
}

func TestBellsOfAWorker(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	got := map[uint32][]string{}
	for id := uint32(sampler); id <= rogue; id++ {
		list, err := b.Bells(id)
		must(t, err)
		for _, bell := range list {
			name := bell.Name
			if bell.Read {
				name += " (read)"
			}
			got[id] = append(got[id], name)
			flags := status(t, bell.File)
			if flags&unix.O_NONBLOCK == 0 || flags&unix.O_ACCMODE == unix.O_RDWR || (flags&unix.O_ACCMODE == unix.O_RDONLY) != bell.Read {
				t.Errorf("%s of worker %d has flags %#x", bell.Name, id, flags)
			}
			must(t, bell.File.Close())
		}
	}
	want := map[uint32][]string{
		sampler: {"bell.store", "bell.alarm", "bell.@tap"},
		store:   {"bell (read)"},
		alarm:   {"bell (read)"},
		rogue:   {"bell.store", "bell.@tap"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func status(t *testing.T, f *os.File) (flags int) {
	t.Helper()
	conn, err := f.SyscallConn()
	must(t, err)
	must(t, conn.Control(func(fd uintptr) { flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0) }))
	must(t, err)
	return flags
}

// A file status flag of one bell is nobody else's.
func TestBellsShareNoFlags(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	first, second := bells(t, b, sampler)["bell.store"], bells(t, b, rogue)["bell.store"]
	conn, err := first.SyscallConn()
	must(t, err)
	must(t, conn.Control(func(fd uintptr) { _, err = unix.FcntlInt(fd, unix.F_SETFL, 0) }))
	must(t, err)
	if status(t, second)&unix.O_NONBLOCK == 0 {
		t.Error("one worker made another's bell block")
	}
}

func TestDrainWaitsForTheReceivers(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	b := open(t, config())
	must(t, b.Permit(rogue))
	a := start(t, rogue)
	out := b.Outs(rogue)[0]
	for range 3 {
		check(t, "send", a.Do("send %d 9 64 2048", out.Routine), "ok")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if err := b.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "3 messages") {
		t.Error(err)
	}
	check(t, "send after the drain began", a.Do("send %d 9 64 2048", out.Routine), "EACCES")
	go func() {
		q := sysvctl.Attach(sysvctl.ID(out.Routine))
		for range 3 {
			time.Sleep(10 * time.Millisecond)
			_, _ = q.TryReceive(sysvctl.Any(), make([]byte, 64))
		}
	}()
	must(t, b.Drain(context.Background()))
}

func TestCloseLogsWhatIsLeft(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	var j journal
	cfg := config()
	cfg.Log = j.log
	b := open(t, cfg)
	s := sender(t, b, sampler, 5)
	for i := range 20 {
		must(t, s.Reading(7, "reading", float64(i), ""))
	}
	must(t, s.Alert(8, "alert", 99, "", "x"))
	must(t, b.Close())
	noRows(t)
	must(t, b.Close())
	text := j.text()
	for _, want := range []string{
		`routine lane of queue "readings" from worker 1 to 2 kind reading sensor 7 epoch 5 seq 1 value 0`,
		`routine lane of queue "readings" from worker 1 to 2 messages 20 shown 8`,
		`urgent lane of queue "readings" from worker 1 to 3 kind alert sensor 8 epoch 5 seq 1 value 99`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q:\n%s", want, text)
		}
	}
	must(t, b.Revoke(sampler)) // too late, and harmless
	if err := b.Permit(sampler); !errors.Is(err, sysvctl.ErrRemoved) {
		t.Error(err)
	}
}

func TestLimitIsRaisedForTheLargestLane(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	cfg := config()
	cfg.Queues[0].RoutineBytes = 100_000
	b := open(t, cfg)
	l, err := sysvctl.ReadLimits()
	must(t, err)
	if l.QBytes != 200_000 {
		t.Errorf("msgmnb is %d", l.QBytes)
	}
	for _, d := range allLanes(t, b) {
		if d.Kind == "routine" && d.Limit != 100_000 {
			t.Errorf("%+v", d)
		}
	}
}

// Where /proc/sys cannot be written, as in many containers.
func TestLanesAreClampedWhereTheLimitIsFixed(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	runtime.LockOSThread() // and never unlocked: this thread sees other mounts
	must(t, unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS))
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(t, unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""))
	must(t, unix.Mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	var j journal
	cfg := config()
	cfg.Log = j.log
	cfg.Queues[0].RoutineBytes = 100_000
	b := open(t, cfg)
	for _, d := range allLanes(t, b) {
		if want := map[string]uint64{"routine": 8192, "urgent": 4096, "ack": 8192, "tap": 4096}[d.Kind]; d.Limit != want {
			t.Errorf("%s lane of %d bytes, want %d", d.Kind, d.Limit, want)
		}
	}
	if !strings.Contains(j.text(), "lanes made smaller") {
		t.Errorf("the log says nothing: %s", j.text())
	}
	must(t, b.Permit(rogue)) // and the kick still has its room
	must(t, b.Revoke(rogue))
	if strings.Contains(j.text(), "no room to wake") {
		t.Error(j.text())
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*bus.Config)
		want  string
	}{
		"queue twice":        {func(c *bus.Config) { c.Queues = append(c.Queues, c.Queues[0]) }, "twice"},
		"unknown queue":      {func(c *bus.Config) { c.Members[0].Queue = "x" }, `no queue "x"`},
		"the parent's":       {func(c *bus.Config) { c.Members[0].ID = 0 }, "number 0"},
		"member twice":       {func(c *bus.Config) { c.Members[1] = c.Members[0] }, "twice"},
		"one name, two":      {func(c *bus.Config) { c.Members[1].Name = "sampler" }, "both called"},
		"band of type 0":     {func(c *bus.Config) { c.Queues[0].UrgentBands["alert"] = 0 }, "type 0"},
		"band on both sides": {func(c *bus.Config) { c.Queues[0].RoutineBands["alert"] = 3 }, "both"},
		"tiny lane":          {func(c *bus.Config) { c.Queues[0].UrgentBytes = 64 }, "64 bytes"},
		"huge lane":          {func(c *bus.Config) { c.TapBytes = 1 << 30 }, "tap"},
	} {
		cfg := config()
		c.spoil(&cfg)
		if _, err := bus.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
