package scmrights_test

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestKilledBeforeReading: the worker dies with the offer in its queue; the
// kernel frees the queue, and the pipe in it tells.
func TestKilledBeforeReading(t *testing.T) {
	testenv.CheckFDs(t)
	conn, cmd := worker(t, "deaf", scmrights.Config{Proof: 3})
	greet(t, conn)
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove))
	if err != nil {
		t.Fatal(err)
	}
	if s := grants[0].State(); s != scmrights.StateSent {
		t.Fatalf("before the worker's death: %s", s)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := grants[0].Wait(limit(t)); !errors.Is(err, scmrights.ErrLost) {
		t.Fatal(err)
	}
	f, err := grants[0].Reclaim()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	// The successor gets it.
	next, _ := worker(t, "taker", scmrights.Config{})
	greet(t, next)
	again, err := next.Offer(trusted, []scmrights.Item{{Name: "a", Kind: scmrights.KindAttribute, Mode: scmrights.ModeMove, File: f}})
	if err != nil {
		t.Fatal(err)
	}
	if err := again[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
}

// TestDiedAfterReceipt: the receipt outlives the worker, also when the worker
// left input unread, of which the socket reports ECONNRESET first.
func TestDiedAfterReceipt(t *testing.T) {
	testenv.CheckFDs(t)
	for range 10 {
		conn, cmd := worker(t, "taker", scmrights.Config{})
		greet(t, conn)
		grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Send(1, []byte("never read"))
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := grants[0].Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Receive(limit(t)); err != io.EOF {
			t.Fatalf("the end of the channel: %v", err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if s := grants[0].State(); s != scmrights.StateOrphaned {
			t.Fatalf("after the worker's death: %s", s)
		}
	}
}

// TestReceiverWithoutNumbers: recvmsg in the worker succeeds and drops what it
// has no number for. The parent learns it from the pipe, which was the last to
// be dropped, and sends again.
func TestReceiverWithoutNumbers(t *testing.T) {
	for _, free := range []int{0, 1, 3} {
		t.Run(fmt.Sprintf("%d free", free), func(t *testing.T) {
			testenv.CheckFDs(t)
			clock := newHandClock()
			conn, _ := worker(t, "full", scmrights.Config{Clock: clock})
			greet(t, conn)
			receive := func(kind uint16) scmrights.Message {
				t.Helper()
				m, err := conn.Receive(limit(t))
				if err != nil || m.Kind != kind {
					t.Fatalf("%+v, %v instead of message %d", m, err, kind)
				}
				return m
			}
			makeRoom := func(n int) {
				t.Helper()
				if err := conn.Send(1, []byte{byte(n)}); err != nil {
					t.Fatal(err)
				}
				receive(2)
			}
			receive(1)
			makeRoom(free)
			var items []scmrights.Item
			for i := range 3 {
				items = append(items, attribute(t, fmt.Sprintf("a%d", i), scmrights.ModeMove)...)
			}
			grants, err := conn.Offer(trusted, items)
			if err != nil {
				t.Fatal(err)
			}
			clock.waitFor(t, 20*time.Millisecond) // before the next attempt
			if b := conn.Ledger(); b.Open != 3 {
				t.Errorf("a lost descriptor was closed: %+v", b)
			}
			makeRoom(4)
			clock.advance(20 * time.Millisecond)
			if m := receive(3); string(m.Body) != "a0" {
				t.Errorf("the worker read %q", m.Body)
			}
			for _, g := range grants {
				if err := g.Wait(limit(t)); err != nil || g.Attempts() != 2 {
					t.Errorf("%s: %v after %d attempts", g.Name(), err, g.Attempts())
				}
			}
		})
	}
}

// TestShortReceipt is the level-1 worker: no HELLO, one byte.
func TestShortReceipt(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := worker(t, "short", scmrights.Config{})
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare))
	if err != nil {
		t.Fatal(err)
	}
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	if n := grants[0].WorkerFD(); n != -1 {
		t.Errorf("the number in the worker is %d, it gave none", n)
	}
}
