package scmrights_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// lent offers n descriptors to a worker and waits until it has them.
func lent(t testing.TB, conn *scmrights.Conn, mode scmrights.Mode, n int) []*scmrights.Grant {
	t.Helper()
	var items []scmrights.Item
	f := file(t, "x")
	for i := range n {
		items = append(items, scmrights.Item{Name: fmt.Sprintf("lent.%d", i), Kind: scmrights.KindFile, Mode: mode, File: f})
	}
	grants, err := conn.OfferAll(limit(t), trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range grants {
		if err := g.Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
	}
	return grants
}

// TestRevokeOfLent: the worker's library closes what was lent, says so, and the
// parent has looked; the plugin is told by name.
func TestRevokeOfLent(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := worker(t, "store", scmrights.Config{})
	greet(t, conn)
	grants := lent(t, conn, scmrights.ModeLend, 7) // two records of RELEASED
	if err := conn.Revoke(limit(t), grants...); err != nil {
		t.Fatal(err)
	}
	for i, g := range grants {
		hear(t, conn, saysGot)
		if g.State() != scmrights.StateRevoked {
			t.Errorf("grant %d is %s", i, g.State())
		}
	}
	for i := range grants {
		if got := hear(t, conn, saysRevoked); got != fmt.Sprintf("lent.%d", i) {
			t.Errorf("the plugin hears of %q", got)
		}
	}
	if err := conn.Revoke(limit(t), grants...); err != nil {
		t.Errorf("what is back already: %v", err)
	}
	f, err := grants[0].Reclaim()
	if err != nil {
		t.Fatal("our copy is gone:", err)
	}
	f.Close()
	// The same descriptor can be lent again.
	if err := conn.Revoke(limit(t), lent(t, conn, scmrights.ModeLend, 1)...); err != nil {
		t.Error(err)
	}
}

// TestRevokeOfShared: in other modes the plugin has to close and say so.
func TestRevokeOfShared(t *testing.T) {
	testenv.CheckFDs(t)
	clock := newHandClock()
	conn, _ := worker(t, "store", scmrights.Config{Clock: clock})
	greet(t, conn)
	grants := lent(t, conn, scmrights.ModeShare, 2)
	done := make(chan error, 1)
	go func() { done <- conn.Revoke(limit(t), grants...) }()
	for range grants {
		hear(t, conn, saysGot)
	}
	for range grants {
		hear(t, conn, saysRevoked)
	}
	clock.waitFor(t, 2*time.Second)
	if s := grants[0].State(); s != scmrights.StateDelivered {
		t.Errorf("%s before it was released", s)
	}
	if err := conn.Revoke(limit(t), grants[0]); err == nil || !strings.Contains(err.Error(), "lent.0 is being revoked") {
		t.Errorf("a second call meanwhile: %v", err)
	}
	if err := conn.Send(askRelease, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if clock.running(2 * time.Second) {
		t.Error("the deadline still runs")
	}
}

// TestReleasedUnasked: a worker may give back what it does not need any more.
func TestReleasedUnasked(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := worker(t, "store", scmrights.Config{})
	greet(t, conn)
	grants := lent(t, conn, scmrights.ModeShare, 1)
	hear(t, conn, saysGot)
	if err := conn.Send(askClose, nil); err != nil {
		t.Fatal(err)
	}
	hear(t, conn, saysTable)
	if s := grants[0].State(); s != scmrights.StateReleased || conn.Late() != 0 {
		t.Errorf("%s, %d late words", s, conn.Late())
	}
}

// TestRevokeTricks: a worker that keeps what is revoked is found and the
// channel ends; one that says more than it should is only counted.
func TestRevokeTricks(t *testing.T) {
	rows := []struct {
		trick string
		err   error
		says  string
		state scmrights.State
		late  uint64
	}{
		{"honest", nil, "", scmrights.StateRevoked, 0},
		{"releases twice", nil, "", scmrights.StateRevoked, 1},
		{"never releases", scmrights.ErrKept, "1 descriptors: revoked, and not released in time: 2s are over", scmrights.StateDelivered, 0},
		{"does not read", scmrights.ErrKept, "2s are over", scmrights.StateDelivered, 0},
		{"releases and keeps", scmrights.ErrForged, "lent.0 is still open there as descriptor", scmrights.StateRevoked, 0},
	}
	for _, row := range rows {
		t.Run(row.trick, func(t *testing.T) {
			testenv.CheckFDs(t)
			t.Setenv(trickVariable, row.trick)
			clock := newHandClock()
			conn, _ := worker(t, "trick", scmrights.Config{Clock: clock})
			greet(t, conn)
			grants := lent(t, conn, scmrights.ModeLend, 1)
			done := make(chan error, 1)
			go func() { done <- conn.Revoke(limit(t), grants...) }()
			if row.err == scmrights.ErrKept {
				clock.waitFor(t, 2*time.Second)
				clock.advance(2*time.Second - 1)
				if _, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare)); err != nil {
					t.Errorf("the channel ended before the deadline: %v", err)
				}
				clock.advance(1)
			}
			if err := <-done; !errors.Is(err, row.err) || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v\nwant %v: %s", err, row.err, row.says)
			}
			if row.err == nil {
				hear(t, conn, 7)
			} else if err := lastWord(t, conn); !errors.Is(err, row.err) {
				t.Errorf("the channel: %v", err)
			}
			if grants[0].State() != row.state || conn.Late() != row.late {
				t.Errorf("%s, %d late words", grants[0].State(), conn.Late())
			}
		})
	}
}

// TestRevokeOutlivesItsCaller: who stops waiting does not stop the deadline.
func TestRevokeOutlivesItsCaller(t *testing.T) {
	testenv.CheckFDs(t)
	t.Setenv(trickVariable, "never releases")
	clock := newHandClock()
	conn, _ := worker(t, "trick", scmrights.Config{Clock: clock})
	greet(t, conn)
	grants := lent(t, conn, scmrights.ModeLend, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := conn.Revoke(ctx, grants...); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	clock.advance(2 * time.Second)
	if err := lastWord(t, conn); !errors.Is(err, scmrights.ErrKept) {
		t.Error(err)
	}
}

// TestRevokeOfNothing: calls that make no sense are errors, and no more.
func TestRevokeOfNothing(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{})
	other, _ := greeted(t, scmrights.Config{})
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeLend))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Revoke(limit(t), grants...); err == nil || !strings.Contains(err.Error(), "a is sent, not at the worker") {
		t.Errorf("before its receipt: %v", err)
	}
	if err := other.Revoke(limit(t), grants...); err == nil || !strings.Contains(err.Error(), "on another channel") {
		t.Errorf("another channel's: %v", err)
	}
	w.offer().Close()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestByeAndDeath: both end the channel, and can be told apart.
func TestByeAndDeath(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{})
	w.send(frame(11, 7, 2, 1, []byte{9, 0, 0, 0}))
	w.f.Close()
	if _, err := conn.Receive(limit(t)); err != io.EOF {
		t.Fatal(err)
	}
	if reason, said := conn.Bye(); reason != 9 || !said {
		t.Errorf("after BYE: %d, %v", reason, said)
	}
	conn, w = greeted(t, scmrights.Config{})
	w.f.Close()
	if _, err := conn.Receive(limit(t)); err != io.EOF {
		t.Fatal(err)
	}
	if _, said := conn.Bye(); said {
		t.Error("a death is told as BYE")
	}
	_, peer := rawParent(t)
	if _, said := peer.Bye(); said {
		t.Error("BYE before it came")
	}
}

// TestBudget: several channels share one.
func TestBudget(t *testing.T) {
	testenv.CheckFDs(t)
	budget := scmrights.NewBudget(5)
	one, w := greeted(t, scmrights.Config{Budget: budget})
	two, _ := greeted(t, scmrights.Config{Budget: budget})
	items := append(attribute(t, "a", scmrights.ModeMove), attribute(t, "b", scmrights.ModeMove)...)
	grants, err := one.Offer(trusted, items)
	if err != nil || budget.InFlight() != 3 {
		t.Fatalf("%v, %d in flight, want 2 and a pipe", err, budget.InFlight())
	}
	if _, err := two.Offer(trusted, items); !errors.Is(err, scmrights.ErrBusy) || !strings.Contains(err.Error(), "the budget is 5") {
		t.Errorf("over the budget: %v", err)
	}
	if _, err := two.Offer(trusted, items[:1]); err != nil || budget.InFlight() != 5 {
		t.Errorf("within the budget: %v, %d", err, budget.InFlight())
	}
	pipe := w.offer()
	_, _ = pipe.Write([]byte{6})
	pipe.Close()
	for _, g := range grants {
		if err := g.Wait(limit(t)); err != nil {
			t.Error(err)
		}
	}
	if n := budget.InFlight(); n != 2 {
		t.Errorf("%d in flight after one receipt", n)
	}
	two.Close()
	if n := budget.InFlight(); n != 0 {
		t.Errorf("%d in flight at the end", n)
	}
	bad := attribute(t, "c", scmrights.ModeMove)
	bad[0].Kind = scmrights.KindDirectory
	if _, err := one.Offer(trusted, bad); err == nil || budget.InFlight() != 0 {
		t.Errorf("after an offer that was not made: %v, %d", err, budget.InFlight())
	}
	if _, err := one.Offer(trusted, []scmrights.Item{{Name: "m", Kind: scmrights.KindMemfd, Access: scmrights.AccessBoth, File: memfd(t, "")}}); err != nil {
		t.Error(err)
	}
}

// TestNoCreditNoResend: what was refused for want of numbers is not sent again
// by time alone.
func TestNoCreditNoResend(t *testing.T) {
	testenv.CheckFDs(t)
	clock := newHandClock()
	conn, w := greeted(t, scmrights.Config{Clock: clock})
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare))
	if err != nil {
		t.Fatal(err)
	}
	pipe := w.offer()
	time.Sleep(5 * time.Millisecond) // past the quick wait, so that its deadline is set and taken back
	_, _ = pipe.Write(receipt(2, 2, 4))
	pipe.Close()
	for grants[0].Status() != scmrights.StatusNoSlot {
		time.Sleep(time.Millisecond)
	}
	clock.waitFor(t, 5*time.Second)
	clock.advance(5 * time.Second)
	if err := grants[0].Wait(limit(t)); !errors.Is(err, scmrights.ErrRefused) || grants[0].Attempts() != 1 {
		t.Errorf("%v after %d attempts", err, grants[0].Attempts())
	}
}

// TestOfferAll: more than one record can hold.
func TestOfferAll(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := worker(t, "store", scmrights.Config{})
	greet(t, conn)
	if err := conn.Send(askQuiet, nil); err != nil {
		t.Fatal(err)
	}
	grants := lent(t, conn, scmrights.ModeMove, 600)
	if len(grants) != 600 || grants[599].Name() != "lent.599" {
		t.Fatal(len(grants))
	}
	if b := conn.Ledger(); b.Taken != 600 || b.Closed != 600 {
		t.Errorf("%+v", b)
	}
	if _, err := conn.OfferAll(limit(t), trusted, []scmrights.Item{{}}); err == nil {
		t.Error("an item that is none")
	}
}

// TestReleasedAfterClose: words about a grant that its owner has given up are
// late, also while others of the same offer are not.
func TestReleasedAfterClose(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{})
	grants, err := conn.Offer(trusted, append(attribute(t, "a", scmrights.ModeShare), attribute(t, "b", scmrights.ModeShare)...))
	if err != nil {
		t.Fatal(err)
	}
	b, rights := w.receive()
	pipe := os.NewFile(uintptr(rights[2]), "receipt")
	_, _ = pipe.Write([]byte{6})
	pipe.Close()
	os.NewFile(uintptr(rights[0]), "a").Close()
	os.NewFile(uintptr(rights[1]), "b").Close()
	if err := errors.Join(grants[0].Wait(limit(t)), grants[1].Wait(limit(t)), grants[0].Close()); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		slot := append(append([]byte(nil), b[32+96*i:48+96*i]...), make([]byte, 80)...)
		r := frame(7, 7, uint64(i+2), 2, slot)
		r[6], r[12] = 1, 0
		w.send(r)
	}
	w.send(frame(16, 7, 4, 2, make([]byte, 4)))
	if _, err := conn.Receive(limit(t)); err != nil {
		t.Fatal(err)
	}
	if conn.Late() != 1 || grants[0].State() != scmrights.StateDelivered || grants[1].State() != scmrights.StateReleased {
		t.Errorf("%d late, %s, %s", conn.Late(), grants[0].State(), grants[1].State())
	}
}
