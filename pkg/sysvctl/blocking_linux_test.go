package sysvctl_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

func TestReceiveWaits(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	go func() {
		time.Sleep(20 * time.Millisecond)
		_ = q.TrySend(2, []byte("wrong type"))
		_ = q.TrySend(1, []byte("right"))
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	m, err := q.Receive(ctx, sysvctl.Exactly(1), make([]byte, 64))
	if err != nil || string(m.Data) != "right" {
		t.Errorf("%q, %v", m.Data, err)
	}
	if m, err := q.Receive(context.Background(), sysvctl.Except(1), make([]byte, 64)); err != nil || m.Type != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestSendWaits(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{QBytes: 64})
	must(t, q.TrySend(1, make([]byte, 64)))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err := q.Send(ctx, 1, make([]byte, 64))
	want(t, err, context.DeadlineExceeded)
	go func() {
		time.Sleep(20 * time.Millisecond)
		_, _ = q.TryReceive(sysvctl.Any(), make([]byte, 64))
	}()
	must(t, q.Send(context.Background(), 1, make([]byte, 64)))
}

// A context that ends loses no message, and the call always comes back.
func TestCancelAtRandomMoments(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	q := create(t, sysvctl.Options{})
	const rounds = 2000
	sent, received, cancelled := 0, 0, 0
	for range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		stopAfter, sendAfter := rng.IntN(100), rng.IntN(100)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 100 {
				if i == stopAfter {
					cancel()
				}
				if i == sendAfter {
					_ = q.TrySend(1, nil)
				}
			}
		}()
		_, err := q.Receive(ctx, sysvctl.Any(), nil)
		<-done
		sent++
		switch {
		case err == nil:
			received++
		case errors.Is(err, context.Canceled):
			cancelled++
		default:
			t.Fatal(err)
		}
		cancel()
		if received < sent { // what came after the cancel
			n, err := q.Drain(context.Background(), func(sysvctl.Message) {})
			must(t, err)
			received += n
		}
		if received != sent {
			t.Fatalf("sent %d, received %d", sent, received)
		}
	}
	t.Logf("%d of %d cancelled", cancelled, rounds)
}
