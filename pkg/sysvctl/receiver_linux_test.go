package sysvctl_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

// seeded is a generator whose seed is in the log, and can be given as SEED.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		seed = n
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestReceiverTakesWhatItWants(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	r, err := q.Receiver(context.Background(), sysvctl.UpTo(5), 8)
	must(t, err)
	defer r.Close()
	_, err = r.Try()
	want(t, err, sysvctl.ErrNoMessage)
	for _, mtype := range []sysvctl.Type{6, 5, 2, 5} {
		must(t, q.TrySend(mtype, []byte(strconv.Itoa(int(mtype)))))
	}
	for i, take := range []func() (sysvctl.Message, error){r.Receive, r.Try, r.Receive} {
		m, err := take()
		if text := []string{"2", "5", "5"}[i]; err != nil || string(m.Data) != text {
			t.Errorf("%d: %q, %v", i, m.Data, err)
		}
	}
	_, err = r.Try()
	want(t, err, sysvctl.ErrNoMessage) // of the types up to 5
	must(t, q.TrySend(1, make([]byte, 9)))
	_, err = r.Receive()
	want(t, err, sysvctl.ErrTooBig)
	_, err = q.Receiver(context.Background(), sysvctl.Exactly(0), 8)
	want(t, err, sysvctl.ErrNotPositive)
	_, err = q.Receiver(context.Background(), sysvctl.Any(), -1)
	want(t, err, syscall.EINVAL)
}

func TestReceiverRefusesAnotherGoroutine(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	r, err := q.Receiver(context.Background(), sysvctl.Any(), 8)
	must(t, err)
	stranger := make(chan [3]error)
	go func() {
		runtime.LockOSThread()
		_, receive := r.Receive()
		_, try := r.Try()
		stranger <- [3]error{receive, try, r.Close()}
	}()
	for _, err := range <-stranger {
		want(t, err, syscall.EINVAL)
	}
	must(t, r.Close())
	must(t, r.Close())
	_, err = r.Receive()
	want(t, err, syscall.EINVAL)
}

// A context that ends at any moment loses no message, and the call always comes
// back. N= and SEED= make it longer, or the same again.
func TestReceiverIsCancelledAtRandomMoments(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	rng := seeded(t)
	q := create(t, sysvctl.Options{})
	rounds := 3000
	if n, err := strconv.Atoi(os.Getenv("N")); err == nil {
		rounds = n
	}
	sent, received, cancelled := 0, 0, 0
	type order struct{ spin, send int }
	orders, done := make(chan order), make(chan struct{})
	cancels := make(chan context.CancelFunc, 1)
	go func() {
		for o := range orders {
			cancel := <-cancels
			for i := range o.spin {
				if i == o.send {
					_ = q.TrySend(1, nil)
				}
				runtime.Gosched()
			}
			cancel()
			done <- struct{}{}
		}
	}()
	defer close(orders)
	for range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		cancels <- cancel
		o := order{spin: rng.IntN(60)}
		o.send = rng.IntN(120) // half of the time none is sent
		orders <- o
		r, err := q.Receiver(ctx, sysvctl.Any(), 0)
		must(t, err)
		began := time.Now()
		_, err = r.Receive()
		if waited := time.Since(began); waited > 5*time.Second {
			t.Fatalf("came back after %v", waited)
		}
		<-done
		if o.send < o.spin {
			sent++
		}
		switch {
		case err == nil:
			received++
		case errors.Is(err, context.Canceled):
			cancelled++
			if _, err := r.Receive(); !errors.Is(err, context.Canceled) {
				t.Fatalf("after the end: %v", err)
			}
		default:
			t.Fatal(err)
		}
		must(t, r.Close())
		for {
			if _, err := q.TryReceive(sysvctl.Any(), nil); err != nil {
				break
			}
			received++
		}
		if received != sent {
			t.Fatalf("sent %d, received %d", sent, received)
		}
	}
	t.Logf("%d of %d cancelled", cancelled, rounds)
}

// One signal is not enough: here the thread is on its way into the call when the
// context ends, so that the first finds nothing to interrupt.
func TestSignalBeforeTheCallIsRepeated(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	rng := seeded(t)
	q := create(t, sysvctl.Options{})
	var sink atomic.Uint64
	for range 200 {
		ctx, cancel := context.WithCancel(context.Background())
		way, back := rng.IntN(20000), make(chan error)
		entered := make(chan struct{}, 1)
		go func() {
			back <- sysvctl.Interruptible(ctx, func() error {
				select {
				case entered <- struct{}{}:
				default:
				}
				for range way {
					sink.Add(1)
				}
				_, _, err := sys.MsgReceive(int32(q.ID()), nil, 1, 0)
				return err
			})
		}()
		<-entered
		cancel()
		select {
		case err := <-back:
			want(t, err, context.Canceled)
		case <-time.After(10 * time.Second):
			t.Fatalf("hangs, %d steps before the call", way)
		}
	}
}

func TestAllEndsWithTheReason(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	for range 3 {
		must(t, q.TrySend(1, []byte("x")))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := q.Receiver(ctx, sysvctl.Any(), 8)
	must(t, err)
	defer r.Close()
	n := 0
	var last error
	for _, err := range r.All() {
		if last = err; err == nil {
			n++
		}
		if n == 3 {
			time.AfterFunc(20*time.Millisecond, cancel)
		}
	}
	if n != 3 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d, %v", n, last)
	}
	for range r.All() {
		break // the caller may stop
	}
}

// The paths that a message takes allocate nothing: waiting, ringing, and both
// directions, under a context that can end.
func TestNoAllocationOnTheWay(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	there, back := create(t, sysvctl.Options{}), create(t, sysvctl.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() {
		r, err := there.Receiver(ctx, sysvctl.UpTo(9), 4096)
		if err != nil {
			ended <- err
			return
		}
		defer r.Close()
		for {
			m, err := r.Receive()
			if err != nil {
				ended <- err
				return
			}
			if err := back.Send(ctx, m.Type, m.Data); err != nil {
				ended <- err
				return
			}
		}
	}()
	r, err := back.Receiver(ctx, sysvctl.Any(), 4096)
	must(t, err)
	defer r.Close()
	out := make([]byte, 3000)
	if n := testing.AllocsPerRun(500, func() {
		must(t, there.Send(ctx, 3, out))
		if m, err := r.Receive(); err != nil || len(m.Data) != len(out) {
			t.Fatal(len(m.Data), err)
		}
	}); n != 0 {
		t.Errorf("round trip of two receivers: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Try() }); n != 0 {
		t.Errorf("try: %v allocations", n)
	}
	cancel()
	want(t, <-ended, context.Canceled)

	q := create(t, sysvctl.Options{})
	in := make([]byte, 256)
	if n := testing.AllocsPerRun(100, func() {
		must(t, q.Send(context.Background(), 1, in))
		if _, err := q.Receive(context.Background(), sysvctl.Any(), in); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Send and Receive: %v allocations", n)
	}
}

func TestDoorbell(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	hear, ring, err := sysvctl.NewDoorbell()
	must(t, err)
	defer hear.Close()
	defer ring.Close()
	bell, err := sysvctl.OpenDoorbell(hear)
	must(t, err)
	ringer, err := sysvctl.OpenRinger(ring)
	must(t, err)
	const count = 2000
	go func() {
		for i := range count {
			for q.TrySend(1, []byte{byte(i)}) != nil {
				runtime.Gosched()
			}
			ringer.Ring()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	buf := make([]byte, 8)
	began := time.Now()
	for i := range count { // a lost ring would cost an hour
		m, err := bell.Receive(ctx, q, sysvctl.Any(), buf, time.Hour)
		if err != nil || m.Data[0] != byte(i) {
			t.Fatalf("%d: %v, %v", i, m, err)
		}
	}
	t.Logf("%d messages in %v", count, time.Since(began))
	for bell.Wait(ctx, time.Millisecond) { // what was rung for nothing
	}
	// A sender that does not ring is found by the tick.
	must(t, q.TrySend(1, nil))
	if bell.Wait(ctx, time.Millisecond) {
		t.Error("rang by itself")
	}
	_, err = bell.Receive(ctx, q, sysvctl.Any(), buf, time.Millisecond)
	must(t, err)
	short, stop := context.WithTimeout(ctx, 10*time.Millisecond)
	defer stop()
	_, err = bell.Receive(short, q, sysvctl.Any(), buf, time.Minute)
	want(t, err, context.DeadlineExceeded)
	// A full bell makes nobody wait, and rings once.
	for range 1 << 17 {
		ringer.Ring()
	}
	if n := testing.AllocsPerRun(100, ringer.Ring); n != 0 {
		t.Errorf("ring: %v allocations", n)
	}
	if !bell.Wait(ctx, time.Minute) {
		t.Error("a full bell does not ring")
	}
	var none *sysvctl.Ringer
	none.Ring()
	file, err := os.Open("/dev/null")
	must(t, err)
	defer file.Close()
	if _, err := sysvctl.OpenDoorbell(file); err == nil || !strings.Contains(err.Error(), "O_NONBLOCK") {
		t.Errorf("a bell that cannot be waited for: %v", err)
	}
}
