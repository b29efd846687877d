package scmrights_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestReleased: the worker says what it has closed, by token. What it says of
// others is not believed and not punished.
func TestReleased(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{})
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare))
	if err != nil {
		t.Fatal(err)
	}
	g := grants[0]
	if err := g.Close(); err == nil {
		t.Error("closed before its receipt")
	}
	b, rights := w.receive()
	pipe := os.NewFile(uintptr(rights[1]), "receipt")
	_, _ = pipe.Write([]byte{6})
	pipe.Close()
	unix.Close(rights[0])
	if err := g.Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	if g.Kind() != scmrights.KindAttribute || g.Mode() != scmrights.ModeShare || g.Status() != scmrights.StatusTaken {
		t.Error(g.Kind(), g.Mode(), g.Status())
	}
	released := func(seq uint64, token []byte) []byte {
		slot := append(bytes.Clone(token), make([]byte, 80)...)
		r := frame(7, 7, seq, 2, slot)
		r[6], r[12] = 1, 0
		return r
	}
	w.send(released(2, make([]byte, 16))) // never offered
	w.send(released(3, b[32:48]))
	w.send(released(4, b[32:48])) // twice
	w.send(frame(16, 7, 5, 2, make([]byte, 4)))
	if _, err := conn.Receive(limit(t)); err != nil {
		t.Fatal(err)
	}
	if s := g.State(); s != scmrights.StateReleased {
		t.Errorf("the grant is %s", s)
	}
	if conn.Acked() != 2 {
		t.Errorf("%d acknowledged", conn.Acked())
	}
	for range 2 {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if l := conn.Ledger(); l.Open != 0 || l.Closed != 1 {
		t.Errorf("%+v", l)
	}
}

// TestReleasedOvertakesReceipt: the receipt is in a pipe and RELEASED on the
// socket, so that the second can be read first. It counts all the same.
func TestReleasedOvertakesReceipt(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{RevokeTimeout: time.Second})
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare))
	if err != nil {
		t.Fatal(err)
	}
	b, rights := w.receive()
	unix.Close(rights[0])
	slot := append(bytes.Clone(b[32:48]), make([]byte, 80)...)
	r := frame(7, 7, 2, 2, slot)
	r[6], r[12] = 1, 0
	w.send(r)
	w.send(frame(16, 7, 3, 2, make([]byte, 4)))
	if _, err := conn.Receive(limit(t)); err != nil {
		t.Fatal(err)
	}
	pipe := os.NewFile(uintptr(rights[1]), "receipt")
	_, _ = pipe.Write([]byte{6})
	pipe.Close()
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	if s := grants[0].State(); s != scmrights.StateReleased {
		t.Errorf("the grant is %s", s)
	}
	if err := conn.Revoke(limit(t), grants[0]); err != nil {
		t.Errorf("a worker that has closed it already: %v", err)
	}
}

// TestRevokeReachesTheWorker: tokens that it knows become names.
func TestRevokeReachesTheWorker(t *testing.T) {
	testenv.CheckFDs(t)
	p, peer := rawParent(t)
	f := file(t, "a")
	known := slotOf(t, f, 1, 1, 0, "a")
	p.sendOffer(2, [][]byte{known}, f)
	receiveGrants(t, peer)
	r := frame(6, 7, 3, 0, append(append(bytes.Clone(known), slotOf(t, f, 9, 1, 0, "b")...), 0xd0, 7, 0, 0))
	r[6], r[12], r[13] = 2, 4, 0
	p.send(r)
	e, err := peer.Receive(limit(t))
	if err != nil || len(e.Revoked) != 1 || e.Revoked[0] != "a" || peer.Epoch() != 7 {
		t.Errorf("%+v, %v, epoch %d", e, err, peer.Epoch())
	}
}

// TestFullChannel: senders that wait for a worker that does not read all end at
// the limit, counted from their own start, and Close does not wait at all.
func TestFullChannel(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := greeted(t, scmrights.Config{SendTimeout: 50 * time.Millisecond})
	for conn.Send(1, make([]byte, 30<<10)) == nil {
	}
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			start := time.Now()
			if err := conn.Ping(); !errors.Is(err, scmrights.ErrBlocked) {
				t.Error(err)
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("waited %v", d)
			}
		})
	}
	senders.Wait()
	closed := make(chan error, 1)
	go func() { closed <- conn.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-limit(t).Done():
		t.Fatal("Close waits for a worker that does not read")
	}
}

// TestCallsOutOfTurn: mistakes of the parent's own program are errors, and the
// channel goes on.
func TestCallsOutOfTurn(t *testing.T) {
	testenv.CheckFDs(t)
	conn, peer := connect(t, scmrights.Config{})
	for says, err := range map[string]error{
		"WELCOME not out":        conn.Welcome(2),
		"message 9 acknowledged": conn.Acknowledge(9),
		"a message of 32768":     conn.Send(1, make([]byte, 32<<10)),
		"a message of 512":       second(peer.Send(1, make([]byte, 512))),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q in it", err, says)
		}
	}
	if err := conn.Send(1, make([]byte, scmrights.MaxBody)); err != nil {
		t.Error(err)
	}
	if e, err := peer.Receive(limit(t)); err != nil || len(e.Message.Body) != scmrights.MaxBody {
		t.Errorf("the longest message: %v", err)
	}
	if _, err := peer.Send(1, make([]byte, scmrights.MaxWorkerBody)); err != nil {
		t.Error(err)
	}
	if m, err := conn.Receive(limit(t)); err != nil || len(m.Body) != scmrights.MaxWorkerBody {
		t.Errorf("the longest message of a worker: %v", err)
	}
}

func second[A any](_ A, err error) error { return err }
