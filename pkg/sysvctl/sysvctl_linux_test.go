package sysvctl_test

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

func TestMain(m *testing.M) {
	ipcactor.Main()
	os.Exit(m.Run())
}

const nowait = 0x800 // IPC_NOWAIT, for actors

// create makes a queue that goes with the test.
func create(t *testing.T, o sysvctl.Options) *sysvctl.Queue {
	t.Helper()
	q, err := sysvctl.Create(sysvctl.Private, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Remove(); err != nil && !errors.Is(err, sysvctl.ErrRemoved) {
			t.Error(err)
		}
	})
	return q
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%v, want %v", err, target)
	}
}

func TestSendReceive(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	for _, size := range []int{0, 1, 64, 256, 257, 8192} {
		out := []byte(strings.Repeat("x\x00y", size/3+1))[:size]
		must(t, q.TrySend(7, out))
		buf := make([]byte, 8192)
		m, err := q.TryReceive(sysvctl.Any(), buf)
		must(t, err)
		if m.Type != 7 || string(m.Data) != string(out) {
			t.Errorf("size %d: type %d, %d bytes", size, m.Type, len(m.Data))
		}
	}
	// Larger than the buffer: refused, and still there for the next.
	must(t, q.TrySend(1, make([]byte, 65)))
	_, err := q.TryReceive(sysvctl.Any(), make([]byte, 64))
	want(t, err, sysvctl.ErrTooBig)
	want(t, err, syscall.E2BIG)
	if m, err := q.TryReceive(sysvctl.Any(), make([]byte, 65)); err != nil || len(m.Data) != 65 {
		t.Error(m, err)
	}
	want(t, q.TrySend(0, nil), sysvctl.ErrNotPositive)
	want(t, q.TrySend(-1, nil), sysvctl.ErrNotPositive)
	for _, sel := range []sysvctl.Selector{sysvctl.Exactly(0), sysvctl.Exactly(-1), sysvctl.UpTo(0), sysvctl.Except(-2)} {
		_, err = q.TryReceive(sel, nil)
		want(t, err, sysvctl.ErrNotPositive)
	}
	must(t, q.TrySend(1<<31-1, nil))
	_, err = q.TryReceive(sysvctl.UpTo(math.MaxInt64), nil)
	must(t, err)
	want(t, q.TrySend(1, make([]byte, 8193)), sysvctl.ErrTooBig)
	_, err = q.TryReceive(sysvctl.Any(), nil)
	want(t, err, sysvctl.ErrNoMessage)
	want(t, err, syscall.ENOMSG)
}

func TestLargeMessages(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	if err := sysvctl.SetLimits(sysvctl.Limits{Size: 20000, QBytes: 40000}); err != nil {
		testenv.Need(t, "writable limits of the IPC namespace", err)
	}
	q := create(t, sysvctl.Options{})
	out := []byte(strings.Repeat("0123456789", 2000))
	must(t, q.TrySend(1, out))
	m, err := q.TryReceive(sysvctl.Any(), make([]byte, 30000))
	must(t, err)
	if string(m.Data) != string(out) {
		t.Errorf("%d bytes came", len(m.Data))
	}
}

func TestTryCallsAllocateNothing(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{QBytes: 64})
	out, in := make([]byte, 64), make([]byte, 256)
	for name, call := range map[string]func(){
		"round trip": func() {
			if q.TrySend(1, out) != nil {
				t.Error("send")
			}
			if _, err := q.TryReceive(sysvctl.UpTo(9), in); err != nil {
				t.Error(err)
			}
		},
		"empty": func() {
			if _, err := q.TryReceive(sysvctl.Any(), in); !errors.Is(err, sysvctl.ErrNoMessage) {
				t.Error(err)
			}
		},
	} {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	must(t, q.TrySend(1, out))
	if n := testing.AllocsPerRun(100, func() {
		if !errors.Is(q.TrySend(1, out), sysvctl.ErrFull) {
			t.Error("not full")
		}
	}); n != 0 {
		t.Errorf("full: %v allocations", n)
	}
}

func TestCreateAndOpen(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const key = 0x5a117
	_, err := sysvctl.Open(key, sysvctl.Wanted{})
	want(t, err, sysvctl.ErrNotExist)
	want(t, err, os.ErrNotExist)
	q, err := sysvctl.Create(key, sysvctl.Options{})
	must(t, err)
	_, err = sysvctl.Create(key, sysvctl.Options{})
	want(t, err, sysvctl.ErrExists)
	want(t, err, os.ErrExist)
	again, err := sysvctl.Open(key, sysvctl.Wanted{})
	must(t, err)
	if again.ID() != q.ID() {
		t.Errorf("opened %d, created %d", again.ID(), q.ID())
	}
	_, err = sysvctl.Create(sysvctl.Private, sysvctl.Options{QBytes: 1 << 40})
	if err == nil {
		t.Log("this process may go above msgmnb (CAP_SYS_RESOURCE)")
	}
	must(t, q.Remove())
	want(t, q.Remove(), sysvctl.ErrRemoved)
	if !strings.Contains(q.Remove().Error(), "queue 0: queue was removed: invalid argument") {
		t.Error(q.Remove())
	}
}

// A squatter is recognised by the creator, which IPC_SET cannot hide.
func TestForeignQueueIsRefused(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const key = 0x5a118
	squatter := ipcactor.Start(t, 40001, 40001)
	if got := squatter.Do("create %d %d", key, 0o666); got != "ok 0" {
		t.Fatal(got)
	}
	if got := squatter.Do("set 0 0 0 %d 100", 0o600); got != "ok" {
		t.Fatal(got)
	}
	_, err := sysvctl.Open(key, sysvctl.Wanted{})
	want(t, err, sysvctl.ErrForeign)
	want(t, err, os.ErrPermission)
	if !strings.Contains(err.Error(), "40001") {
		t.Errorf("%v does not name the creator", err)
	}
	_, err = sysvctl.FromID(0, sysvctl.Wanted{})
	want(t, err, sysvctl.ErrForeign)
	if _, err = sysvctl.FromID(0, sysvctl.Wanted{CUID: 40001}); err != nil {
		t.Error(err)
	}
	_, err = sysvctl.FromID(77, sysvctl.Wanted{})
	want(t, err, sysvctl.ErrRemoved)
}

func TestStatAndList(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o624, QBytes: 1000})
	st, err := q.Stat()
	must(t, err)
	if st.Mode != 0o624 || st.QBytes != 1000 || st.Messages != 0 || !st.Sent.IsZero() || st.Changed.IsZero() || st.Sender != 0 {
		t.Errorf("fresh: %+v", st)
	}
	must(t, q.TrySend(1, make([]byte, 10)))
	must(t, q.TrySend(1, make([]byte, 20)))
	_, err = q.TryReceive(sysvctl.Any(), make([]byte, 64))
	must(t, err)
	must(t, q.Permit(1234, 0o640))
	st, err = q.Stat()
	must(t, err)
	if st.Messages != 1 || st.Bytes != 20 || st.Sender != os.Getpid() || st.Receiver != os.Getpid() ||
		time.Since(st.Sent) > time.Minute || time.Since(st.Received) > time.Minute || st.GID != 1234 || st.Mode != 0o640 || st.QBytes != 1000 {
		t.Errorf("used: %+v", st)
	}
	other := create(t, sysvctl.Options{})
	all, err := sysvctl.List()
	must(t, err)
	if len(all) != 2 || all[0].ID != q.ID() || all[0] != st || all[1].ID != other.ID() {
		t.Errorf("list: %+v", all)
	}
}

func TestDrain(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	for i := range 5 {
		must(t, q.TrySend(sysvctl.Type(5-i), []byte{byte(i)}))
	}
	var got []byte
	n, err := q.Drain(context.Background(), func(m sysvctl.Message) { got = append(got, m.Data...) })
	if n != 5 || err != nil || string(got) != "\x00\x01\x02\x03\x04" {
		t.Errorf("%d, %v, %v", n, err, got)
	}
	must(t, q.TrySend(1, nil))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if n, err := q.Drain(ctx, func(sysvctl.Message) {}); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestLimits(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	before, err := sysvctl.ReadLimits()
	must(t, err)
	if err := sysvctl.SetLimits(sysvctl.Limits{QBytes: 32768}); err != nil {
		testenv.Need(t, "writable limits of the IPC namespace", err)
	}
	after, err := sysvctl.ReadLimits()
	must(t, err)
	if after.QBytes != 32768 || after.Size != before.Size || after.Queues != before.Queues {
		t.Errorf("%+v, before %+v", after, before)
	}
	if err := sysvctl.SetLimits(sysvctl.Limits{Queues: 1 << 40}); err == nil {
		t.Error("msgmni 2^40 was taken")
	}
}
