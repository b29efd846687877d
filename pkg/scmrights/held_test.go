package scmrights_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// hold holds f under a name, and lets go of it with the test.
func hold(t testing.TB, name string, kind scmrights.Kind, f *os.File) *scmrights.Held {
	t.Helper()
	h, err := scmrights.Hold(scmrights.Item{Name: name, Kind: kind, File: f})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// TestHeldIsOfferedAgain: to one worker and to its successor, without a copy,
// accounted for, and still there afterwards.
func TestHeldIsOfferedAgain(t *testing.T) {
	testenv.CheckFDs(t)
	f := file(t, "held")
	h := hold(t, "a", scmrights.KindAttribute, f)
	f.Close() // Hold has a copy
	for range 2 {
		conn, peer := connect(t, scmrights.Config{})
		auditor, err := scmrights.NewAuditor(conn)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			grants, err := conn.Offer(trusted, []scmrights.Item{h.Item()})
			if err != nil {
				t.Fatal(err)
			}
			borrowed(t, auditor, 1)
			e, err := peer.Receive(limit(t))
			if err != nil || len(e.Grants) != 1 || e.Grants[0].Name != "a" || e.Grants[0].Kind != scmrights.KindAttribute {
				t.Fatalf("%+v, %v", e, err)
			}
			text := make([]byte, 4)
			if n, err := e.Grants[0].File().ReadAt(text, 0); string(text[:n]) != "held" {
				t.Errorf("reads %q, %v", text[:n], err)
			}
			if err := e.Grants[0].Close(); err != nil {
				t.Error(err)
			}
			if err := grants[0].Wait(limit(t)); err != nil || grants[0].State() != scmrights.StateDelivered {
				t.Fatalf("%s: %v", grants[0].State(), err)
			}
			if b := conn.Ledger(); b.Borrowed != 1 || b.Taken != 0 || b.Open != 0 {
				t.Errorf("%+v", b)
			}
			if _, err := grants[0].Reclaim(); err == nil || !strings.Contains(err.Error(), "its Held is there") {
				t.Errorf("Reclaim of what the caller holds: %v", err)
			}
			for range 2 {
				if err := grants[0].Close(); err != nil {
					t.Error(err)
				}
			}
			borrowed(t, auditor, 0)
		}
		grants, err := conn.Offer(trusted, []scmrights.Item{h.Item()})
		if err != nil {
			t.Fatal(err)
		}
		// One that is made now must not take the descriptor for the grant's.
		if auditor, err = scmrights.NewAuditor(conn); err != nil {
			t.Fatal(err)
		}
		e, err := peer.Receive(limit(t))
		if err != nil || len(e.Grants) != 1 || e.Grants[0].Close() != nil || grants[0].Wait(limit(t)) != nil || grants[0].Close() != nil {
			t.Fatalf("%+v, %v", e, err)
		}
		borrowed(t, auditor, 0)
		if b := conn.Ledger(); b.Borrowed != 0 {
			t.Errorf("%+v", b)
		}
	}
}

func borrowed(t *testing.T, auditor *scmrights.Auditor, want int) {
	t.Helper()
	found, err := auditor.Audit()
	if err != nil {
		t.Fatal(err)
	}
	if !found.Balanced() || found.Borrowed != want || found.Held != 0 {
		t.Errorf("%+v", found)
	}
}

// TestHeldBesidePlain: one offer of both; Conn.Close gives back what was not.
func TestHeldBesidePlain(t *testing.T) {
	testenv.CheckFDs(t)
	h := hold(t, "held", scmrights.KindAttribute, file(t, "1"))
	conn, peer := connect(t, scmrights.Config{})
	items := append(attribute(t, "plain", scmrights.ModeMove), h.Item())
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	if got := receiveGrants(t, peer); len(got) != 2 || got[0].Name != "plain" || got[1].Name != "held" {
		t.Fatalf("%+v", got)
	}
	for _, g := range grants {
		if err := g.Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
	}
	if b := conn.Ledger(); b.Taken != 1 || b.Closed != 1 || b.Borrowed != 1 {
		t.Errorf("%+v", b)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if b := conn.Ledger(); b.Borrowed != 0 || grants[1].State() != scmrights.StateOrphaned {
		t.Errorf("%+v, %s", b, grants[1].State())
	}
}

// TestHeldIsRefused: what cannot be held, and what is not what was held.
func TestHeldIsRefused(t *testing.T) {
	testenv.CheckFDs(t)
	f := file(t, "1")
	h := hold(t, "a", scmrights.KindAttribute, f)
	item := func(change func(*scmrights.Item)) scmrights.Item {
		it := scmrights.Item{Name: "a", Kind: scmrights.KindAttribute, File: f}
		change(&it)
		return it
	}
	for name, it := range map[string]scmrights.Item{
		"mode move":      item(func(i *scmrights.Item) { i.Mode = scmrights.ModeMove }),
		"mode exclusive": item(func(i *scmrights.Item) { i.Mode = scmrights.ModeExclusive }),
		"no name":        item(func(i *scmrights.Item) { i.Name = "" }),
		"not of kind":    item(func(i *scmrights.Item) { i.Kind = scmrights.KindDirectory }),
		"access write":   item(func(i *scmrights.Item) { i.Access = scmrights.AccessWrite }),
		"no file":        item(func(i *scmrights.Item) { i.File = nil }),
		"held already":   h.Item(),
	} {
		if _, err := scmrights.Hold(it); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	conn, _ := connect(t, scmrights.Config{})
	for _, change := range []func(*scmrights.Item){
		func(i *scmrights.Item) { i.Name = "b" },
		func(i *scmrights.Item) { i.Mode = scmrights.ModeMove },
		func(i *scmrights.Item) { i.Access = scmrights.AccessBoth },
		func(i *scmrights.Item) { i.File = f },
	} {
		it := h.Item()
		change(&it)
		if _, err := conn.Offer(trusted, []scmrights.Item{it}); err == nil || !strings.Contains(err.Error(), "not what Held.Item made") {
			t.Errorf("%+v: %v", it, err)
		}
	}
	if _, err := conn.Offer(trusted, []scmrights.Item{h.Item(), h.Item()}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("twice: %v", err)
	}
	for range 2 {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := conn.Offer(trusted, []scmrights.Item{h.Item()}); !errors.Is(err, os.ErrClosed) && !errors.Is(err, scmrights.ErrClosed) {
		t.Errorf("a closed one was offered: %v", err)
	}
	if b := conn.Ledger(); b.Borrowed != 0 || b.Pipes != 0 {
		t.Errorf("%+v", b)
	}
}

// TestHeldForTheNextWorker: O_NONBLOCK is a flag of the open file, which every
// holder shares and can set; a successor gets it cleared, as from a plain item.
func TestHeldForTheNextWorker(t *testing.T) {
	testenv.CheckFDs(t)
	f := file(t, "1")
	h := hold(t, "a", scmrights.KindAttribute, f)
	for range 2 {
		conn, peer := connect(t, scmrights.Config{})
		grants, err := conn.Offer(trusted, []scmrights.Item{h.Item()})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := receiveGrants(t, peer)[0].File().SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(n uintptr) {
			flags, err := unix.FcntlInt(n, unix.F_GETFL, 0)
			if err != nil || flags&unix.O_NONBLOCK != 0 {
				t.Errorf("came with flags %#x, %v", flags, err)
			}
			if err := unix.SetNonblock(int(n), true); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if err := grants[0].Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHeldIsLent: the worker's library gives it back, and it can be lent again.
func TestHeldIsLent(t *testing.T) {
	testenv.CheckFDs(t)
	h, err := scmrights.Hold(scmrights.Item{Name: "a", Kind: scmrights.KindAttribute, Mode: scmrights.ModeLend, File: file(t, "1")})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	conn, peer := connect(t, scmrights.Config{})
	for range 2 {
		grants, err := conn.Offer(trusted, []scmrights.Item{h.Item()})
		if err != nil {
			t.Fatal(err)
		}
		g := receiveGrants(t, peer)[0]
		if err := grants[0].Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
		revoked := make(chan error, 1)
		go func() { revoked <- conn.Revoke(limit(t), grants[0]) }()
		if e, err := peer.Receive(limit(t)); err != nil || len(e.Revoked) != 1 {
			t.Fatalf("%+v, %v", e, err)
		}
		if err := <-revoked; err != nil || grants[0].State() != scmrights.StateRevoked {
			t.Fatalf("%s: %v", grants[0].State(), err)
		}
		if _, err := g.File().Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("lent, taken back, and open: %v", err)
		}
	}
}

// TestNobodyWaits: an offer settles when its grants are not waited for, and 250
// names are told apart.
func TestNobodyWaits(t *testing.T) {
	testenv.CheckFDs(t)
	conn, peer := connect(t, scmrights.Config{})
	f := file(t, "1")
	var items []scmrights.Item
	for i := range scmrights.MaxSlots {
		items = append(items, scmrights.Item{Name: fmt.Sprintf("a%d", i), Kind: scmrights.KindAttribute, Mode: scmrights.ModeMove, File: f})
	}
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	receiveGrants(t, peer)
	for ctx := limit(t); grants[249].State() != scmrights.StateDelivered; {
		if ctx.Err() != nil {
			t.Fatal(grants[249].State())
		}
		time.Sleep(time.Millisecond)
	}
	if b := conn.Ledger(); b.Open != 0 || b.Closed != 250 {
		t.Errorf("%+v", b)
	}
	items[249].Name = items[0].Name
	if _, err := conn.Offer(trusted, items); err == nil || !strings.Contains(err.Error(), `"a0" is in the offer twice`) {
		t.Errorf("%v", err)
	}
}

// TestSparePipe: when an offer is over the next one's pipe is there, in no count
// of pipes and known to the auditor, and goes with the Conn.
func TestSparePipe(t *testing.T) {
	testenv.CheckFDs(t)
	items := attribute(t, "a", scmrights.ModeMove)
	conn, peer := connect(t, scmrights.Config{})
	auditor, err := scmrights.NewAuditor(conn)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		grants, err := conn.Offer(trusted, items)
		if err != nil {
			t.Fatal(err)
		}
		e, err := peer.Receive(limit(t))
		if err != nil || len(e.Grants) != 1 || e.Grants[0].Close() != nil {
			t.Fatalf("%+v, %v", e, err)
		}
		before := openFiles(t)
		if err := grants[0].Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
		if err := grants[0].Close(); err != nil {
			t.Fatal(err)
		}
		// The copy and the read end are closed, both ends of the spare are open.
		if after := openFiles(t); after != before {
			t.Errorf("round %d: %d descriptors, before %d", round, after, before)
		}
		if b := conn.Ledger(); b.Pipes != 0 {
			t.Errorf("%+v", b)
		}
		if found, err := auditor.Audit(); err != nil || !found.Balanced() || found.Pipes != 0 {
			t.Errorf("%+v, %v", found, err)
		}
	}
}

// TestHeldIsNotLeft: an estate has the grant and not the descriptor, which is not
// the Conn's to leave.
func TestHeldIsNotLeft(t *testing.T) {
	testenv.CheckFDs(t)
	h := hold(t, "a", scmrights.KindAttribute, file(t, "1"))
	conn, peer := connect(t, scmrights.Config{})
	served := serve(t, peer)
	grants, err := conn.Offer(trusted, []scmrights.Item{h.Item()})
	if err != nil || grants[0].Wait(limit(t)) != nil {
		t.Fatal(err)
	}
	left, files := estate(t, conn)
	if len(files) != 1 || left.Balance.Borrowed != 0 || left.Offers[0].Grants[0].Copy != -1 {
		t.Errorf("%d descriptors, %+v", len(files), left)
	}
	next, came, err := scmrights.Import(left, files, scmrights.Config{})
	if err != nil {
		t.Fatal(err)
	}
	next.Resume()
	if len(came) != 1 || came[0].State() != scmrights.StateDelivered || came[0].Close() != nil {
		t.Errorf("%d grants", len(came))
	}
	again, err := next.Offer(trusted, []scmrights.Item{h.Item()})
	if err != nil || again[0].Wait(limit(t)) != nil {
		t.Error(err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	if b := next.Ledger(); b.Borrowed != 0 || b.Open != 0 {
		t.Errorf("%+v", b)
	}
	conn.Close()
	for range served {
	}
}
