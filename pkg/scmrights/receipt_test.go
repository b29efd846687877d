package scmrights_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// attribute is one item to offer.
func attribute(t testing.TB, name string, mode scmrights.Mode) []scmrights.Item {
	return []scmrights.Item{{Name: name, Kind: scmrights.KindAttribute, Mode: mode, File: file(t, name)}}
}

// receipt builds a receipt of epoch 7 with these statuses; taken ones get the
// number 100 and up.
func receipt(outcome byte, seq uint64, statuses ...uint16) []byte {
	le := binary.LittleEndian
	b := append([]byte("SHR1\x01"), outcome)
	b = le.AppendUint16(b, uint16(len(statuses)))
	b = le.AppendUint32(b, 7)
	b = le.AppendUint64(b, seq)
	for i, s := range statuses {
		b = le.AppendUint16(b, s)
		b = append(b, 0, 0)
		b = le.AppendUint32(b, uint32(100+i))
	}
	return b
}

// TestReceipts: what comes out of the pipe, and what the parent makes of it.
func TestReceipts(t *testing.T) {
	edit := func(at int, to byte) []byte {
		b := receipt(0, 2, 0)
		b[at] = to
		return b
	}
	const fault = scmrights.StateExpired // it may have taken all the same
	rows := []struct {
		name  string
		bytes []byte
		state scmrights.State
		err   error
		says  string
	}{
		{"full", receipt(0, 2, 0), scmrights.StateDelivered, nil, ""},
		{"short", []byte{6}, scmrights.StateDelivered, nil, ""},
		{"wrong kind", receipt(2, 2, 2), scmrights.StateRefused, scmrights.ErrRefused, "refused: wrong kind"},
		{"wrong identity", receipt(2, 2, 3), scmrights.StateRefused, scmrights.ErrRefused, "refused: wrong identity"},
		{"not wanted", receipt(2, 2, 5), scmrights.StateRefused, scmrights.ErrRefused, "refused: not wanted"},
		{"no slot, never sent again", receipt(2, 2, 4), scmrights.StateRefused, scmrights.ErrRefused, "refused: no free slot"},
		{"nothing", nil, scmrights.StateLost, scmrights.ErrLost, "the receipt pipe ended without a receipt"},
		{"rubbish", []byte("yes"), fault, scmrights.ErrProtocol, "receipt of 3 bytes instead of 28"},
		{"two", bytes.Repeat(receipt(0, 2, 0), 2), fault, scmrights.ErrProtocol, "receipt of 56 bytes instead of 28"},
		{"two short", []byte{6, 6}, fault, scmrights.ErrProtocol, "receipt of 2 bytes instead of 28"},
		{"endless", make([]byte, 5000), fault, scmrights.ErrProtocol, "more than 4096 bytes of receipt"},
		{"magic", edit(0, 'X'), fault, scmrights.ErrProtocol, "receipt with magic"},
		{"version", edit(4, 2), fault, scmrights.ErrProtocol, "receipt of version 2"},
		{"slots", edit(6, 2), fault, scmrights.ErrProtocol, "receipt for 2 slots instead of 1"},
		{"old epoch", edit(8, 6), fault, scmrights.ErrProtocol, "receipt of epoch 6 in epoch 7"},
		{"next record", receipt(0, 3, 0), fault, scmrights.ErrProtocol, "receipt for record 3 instead of 2"},
		{"unknown status", receipt(2, 2, 6), fault, scmrights.ErrProtocol, "receipt with status 6"},
		{"reserved", edit(22, 1), fault, scmrights.ErrProtocol, "reserved 1 0, for slot 0"},
		{"outcome", edit(5, 1), fault, scmrights.ErrProtocol, "receipt with outcome 1 whose slots say 0"},
		{"negative number", edit(27, 0x80), fault, scmrights.ErrProtocol, "takes slot 0 as descriptor -"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			testenv.CheckFDs(t)
			conn, w := greeted(t, scmrights.Config{Resends: -1})
			grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare))
			if err != nil {
				t.Fatal(err)
			}
			pipe := w.offer()
			if _, err := pipe.Write(row.bytes); err != nil {
				t.Fatal(err)
			}
			pipe.Close()
			err = grants[0].Wait(limit(t))
			if !errors.Is(err, row.err) || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("the grant ended with: %v\nwant %v: %s", err, row.err, row.says)
			}
			if got := grants[0].State(); got != row.state {
				t.Errorf("the grant is %s, want %s", got, row.state)
			}
			if row.err == scmrights.ErrProtocol {
				expectFault(t, conn, row.says)
			}
		})
	}
}

// TestMoveClosesAfterReceipt: with the receipt our copy goes, and not before.
func TestMoveClosesAfterReceipt(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{})
	items := append(attribute(t, "moved", scmrights.ModeMove), attribute(t, "shared", scmrights.ModeShare)...)
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	pipe := w.offer()
	if b := conn.Ledger(); b.Open != 2 || b.Closed != 0 {
		t.Errorf("before the receipt: %+v", b)
	}
	if _, err := grants[0].Reclaim(); err == nil {
		t.Error("a descriptor on its way was given back")
	}
	if _, err := pipe.Write(receipt(0, 2, 0, 0)); err != nil {
		t.Fatal(err)
	}
	pipe.Close()
	for _, g := range grants {
		if err := g.Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
	}
	if b := conn.Ledger(); b.Open != 1 || b.Closed != 1 {
		t.Errorf("after the receipt: %+v", b)
	}
	if _, err := grants[0].Reclaim(); err == nil {
		t.Error("a moved descriptor was given back")
	}
	f, err := grants[1].Reclaim()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if b := conn.Ledger(); b.Open != 0 || b.Reclaimed != 1 {
		t.Errorf("after it was reclaimed: %+v", b)
	}
}

// TestCloseRightAfterOffer: the caller's file is closed, its number used again,
// and the collector has run before the worker reads; it gets what was offered.
func TestCloseRightAfterOffer(t *testing.T) {
	testenv.CheckFDs(t)
	conn, peer := connect(t, scmrights.Config{})
	items := attribute(t, "the right one", scmrights.ModeMove)
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	items[0].File.Close()
	items = nil
	for range 3 {
		file(t, "the wrong one")
	}
	runtime.GC()
	got := receiveGrants(t, peer)
	buf := make([]byte, 64)
	n, _ := got[0].File().ReadAt(buf, 0)
	if string(buf[:n]) != "the right one" {
		t.Errorf("the worker reads %q", buf[:n])
	}
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Error(err)
	}
}

// TestResendAtMostN: what is lost goes out again N times to a living worker,
// with longer and longer waits, and is then given back.
func TestResendAtMostN(t *testing.T) {
	testenv.CheckFDs(t)
	clock := newHandClock()
	conn, w := greeted(t, scmrights.Config{Clock: clock, Resends: 2})
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove))
	if err != nil {
		t.Fatal(err)
	}
	for attempt := range 2 {
		w.offer().Close()
		clock.waitFor(t, 20*time.Millisecond<<attempt)
		clock.advance(20*time.Millisecond<<attempt - 1)
		if n := grants[0].Attempts(); n != attempt+1 {
			t.Errorf("%d attempts before the wait is over, want %d", n, attempt+1)
		}
		clock.advance(1)
	}
	w.offer().Close()
	if err := grants[0].Wait(limit(t)); !errors.Is(err, scmrights.ErrLost) {
		t.Fatal(err)
	}
	if n := grants[0].Attempts(); n != 3 {
		t.Errorf("%d attempts", n)
	}
	f, err := grants[0].Reclaim()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// TestNoSlotWaitsForCredit: refused for want of numbers, the slot goes out
// again, alone, as soon as the worker has room.
func TestNoSlotWaitsForCredit(t *testing.T) {
	testenv.CheckFDs(t)
	clock := newHandClock()
	conn, w := greeted(t, scmrights.Config{Clock: clock})
	items := append(attribute(t, "a", scmrights.ModeShare), attribute(t, "b", scmrights.ModeShare)...)
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	pipe := w.offer()
	_, _ = pipe.Write(receipt(1, 2, 0, 4))
	pipe.Close()
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Second) // it is not time that it waits for
	w.send(frame(8, 7, 2, 2, []byte{9, 0, 0, 0}))
	b, rights := w.receive()
	if len(rights) != 2 || b[6] != 1 {
		t.Fatalf("sent again: %x, %d descriptors", b, len(rights))
	}
	_ = unix.Close(rights[0])
	pipe = os.NewFile(uintptr(rights[1]), "receipt")
	_, _ = pipe.Write([]byte{6})
	pipe.Close()
	if err := grants[1].Wait(limit(t)); err != nil || grants[1].Attempts() != 2 {
		t.Errorf("%v after %d attempts", err, grants[1].Attempts())
	}
}

// TestKeptReceiptPipe: a worker that never closes the pipe runs into the
// deadline and is told to close what the offer brought.
func TestKeptReceiptPipe(t *testing.T) {
	testenv.CheckFDs(t)
	clock := newHandClock()
	conn, w := greeted(t, scmrights.Config{Clock: clock})
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove))
	if err != nil {
		t.Fatal(err)
	}
	pipe := w.offer()
	defer pipe.Close()
	clock.waitFor(t, 5*time.Second)
	clock.advance(5*time.Second - 1)
	if s := grants[0].State(); s != scmrights.StateSent {
		t.Fatalf("%s before the deadline", s)
	}
	clock.advance(1)
	if err := grants[0].Wait(limit(t)); !errors.Is(err, scmrights.ErrExpired) {
		t.Fatal(err)
	}
	if b, _ := w.receive(); len(b) != 40 || b[5] != 5 || b[32] != 2 {
		t.Errorf("instead of ABORT of record 2: %x", b)
	}
	if b := conn.Ledger(); b.Open != 1 {
		t.Errorf("our copy did not outlive the deadline: %+v", b)
	}
}

// TestCloseWithOffersOut: Close ends what waits, and leaves nothing open.
func TestCloseWithOffersOut(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{Clock: newHandClock()}) // no deadline passes
	var all []*scmrights.Grant
	for i := range 5 {
		grants, err := conn.Offer(trusted, attribute(t, fmt.Sprint(i), scmrights.ModeMove))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, grants...)
	}
	pipe := w.offer()
	_, _ = pipe.Write([]byte{6})
	pipe.Close()
	if err := all[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if s := all[0].State(); s != scmrights.StateOrphaned {
		t.Errorf("the delivered one is %s", s)
	}
	for _, g := range all[1:] {
		if err := g.Wait(limit(t)); !errors.Is(err, scmrights.ErrExpired) || !errors.Is(err, scmrights.ErrClosed) || g.State() != scmrights.StateExpired {
			t.Errorf("%s is %s: %v", g.Name(), g.State(), err) // the worker can still read it
		}
	}
	if _, err := conn.Offer(trusted, attribute(t, "late", scmrights.ModeShare)); !errors.Is(err, scmrights.ErrClosed) {
		t.Errorf("an offer after Close: %v", err)
	}
	if _, err := conn.Receive(limit(t)); !errors.Is(err, scmrights.ErrClosed) {
		t.Errorf("Receive after Close: %v", err)
	}
}
