package scmrights_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// estate suspends a Conn, writes down what it leaves as JSON and back, and gives
// duplicates of its descriptors, as an exec would give the same numbers.
func estate(t *testing.T, conn *scmrights.Conn) (e scmrights.Estate, files []int) {
	t.Helper()
	if err := conn.Suspend(limit(t)); err != nil {
		t.Fatal(err)
	}
	left, numbers, err := conn.Export()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(left)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		dup, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, dup)
	}
	return e, files
}

// serve lets a worker take what comes until its channel ends.
func serve(t *testing.T, p *scmrights.Peer) (heard <-chan string) {
	said := make(chan string, 64)
	go func() {
		defer close(said)
		for {
			e, err := p.Receive(context.Background())
			if err != nil {
				return
			}
			for _, g := range e.Grants {
				said <- "granted " + g.Name
				g.Close()
			}
			if len(e.Grants) == 0 && e.Message != nil {
				said <- string(e.Message.Body)
			}
		}
	}()
	return said
}

// TestSuccessorGoesOn: a second Conn goes on where the first one left: no number
// is missing on either side, what the worker said meanwhile is heard, its words
// about old grants are understood, and the accounts are true.
func TestSuccessorGoesOn(t *testing.T) {
	testenv.CheckFDs(t)
	first, p := connect(t, scmrights.Config{Name: "it"})
	heard := serve(t, p)
	items := append(attribute(t, "kept", scmrights.ModeShare), attribute(t, "moved", scmrights.ModeMove)...)
	grants, err := first.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range grants {
		if err := g.Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
	}
	said := []string{<-heard, <-heard} // the plugin has them only now
	say := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if _, err := p.Send(9, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	say(0, 3) // read by the first, and perhaps not returned by it
	if m, err := first.Receive(limit(t)); err != nil || string(m.Body) != "0" {
		t.Fatal(m, err)
	}
	e, files := estate(t, first)
	say(3, 6) // read by nobody yet
	if err := p.Released("kept"); err != nil {
		t.Fatal(err)
	}

	second, inherited, err := scmrights.Import(e, files, scmrights.Config{Name: "it"})
	if err != nil {
		t.Fatal(err)
	}
	first.Leave()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second.Resume()
	for i := 1; i < 6; i++ {
		m, err := second.Receive(limit(t))
		if err != nil || string(m.Body) != fmt.Sprint(i) {
			t.Fatalf("message %d: %q, %v", i, m.Body, err)
		}
		if err := second.Acknowledge(m.Seq); err != nil {
			t.Error(err)
		}
	}
	if len(inherited) != 2 || inherited[0].Name() != "kept" || inherited[1].Name() != "moved" {
		t.Fatalf("grants %v", inherited)
	}
	if err := inherited[1].Wait(limit(t)); err != nil || inherited[1].WorkerFD() != grants[1].WorkerFD() {
		t.Errorf("the moved grant: %v, descriptor %d", err, inherited[1].WorkerFD())
	}
	if err := second.Send(1, []byte("hello again")); err != nil {
		t.Fatal(err)
	}
	more, err := second.Offer(trusted, attribute(t, "later", scmrights.ModeShare))
	if err != nil {
		t.Fatal(err)
	}
	if err := more[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	// The answer comes behind RELEASED on the same channel.
	say(6, 7)
	if _, err := second.Receive(limit(t)); err != nil {
		t.Fatal(err)
	}
	if s := inherited[0].State(); s != scmrights.StateReleased {
		t.Errorf("the grant that the worker released is %v", s)
	}
	auditor, err := scmrights.NewAuditor(second)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := auditor.Audit(); err != nil || !a.Balanced() || a.Held != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	if b := second.Ledger(); b.Taken != 3 || b.Closed != 1 || b.Open != 2 {
		t.Errorf("the ledger: %+v", b)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	for s := range heard {
		said = append(said, s)
	}
	want := []string{"granted kept", "granted moved", "hello again", "granted later"}
	if !slices.Equal(said, want) {
		t.Errorf("the worker heard %q, want %q", said, want)
	}
}

// TestResumeAfterSuspend: nothing is lost by a pause that nobody used.
func TestResumeAfterSuspend(t *testing.T) {
	testenv.CheckFDs(t)
	conn, p := connect(t, scmrights.Config{})
	serve(t, p)
	for i := range 200 {
		if err := conn.Suspend(limit(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Send(9, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if err := conn.Suspend(limit(t)); err != nil { // twice is once
				t.Fatal(err)
			}
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if m, err := conn.Receive(ended); err == nil {
			t.Fatalf("a suspended channel was read: %q", m.Body)
		}
		conn.Resume()
		if m, err := conn.Receive(limit(t)); err != nil || string(m.Body) != fmt.Sprint(i) {
			t.Fatalf("message %d: %q, %v", i, m.Body, err)
		}
	}
}

// TestSuspendWaitsForTheBacklog: a reader that has no room for its message comes
// to a stand only when somebody receives; else it is asked in vain, and reads on.
func TestSuspendWaitsForTheBacklog(t *testing.T) {
	testenv.CheckFDs(t)
	conn, p := connect(t, scmrights.Config{})
	serve(t, p)
	const more = 70 // than the backlog of a Conn
	for i := range more {
		if _, err := p.Send(9, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range more {
		asked, cancel := context.WithCancel(context.Background())
		if i < 10 { // from then on there is room for all
			cancel()
		}
		if err := conn.Suspend(asked); i < 10 && err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		cancel()
		conn.Resume()
		if m, err := conn.Receive(limit(t)); err != nil || string(m.Body) != fmt.Sprint(i) {
			t.Fatalf("message %d: %q, %v", i, m.Body, err)
		}
	}
}

// TestExportRefused: what is half done cannot be left to anybody.
func TestExportRefused(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := greeted(t, scmrights.Config{})
	if _, _, err := conn.Export(); !errors.Is(err, scmrights.ErrBusy) {
		t.Errorf("while it is read: %v", err)
	}
	if _, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Suspend(limit(t)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Export(); !errors.Is(err, scmrights.ErrBusy) {
		t.Errorf("without the receipt: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Export(); !errors.Is(err, scmrights.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := conn.Suspend(limit(t)); !errors.Is(err, scmrights.ErrClosed) {
		t.Errorf("suspended when closed: %v", err)
	}
}

// TestImportRefused: an estate that is not whole is not taken, and neither are
// its descriptors.
func TestImportRefused(t *testing.T) {
	testenv.CheckFDs(t)
	conn, p := connect(t, scmrights.Config{})
	serve(t, p)
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare))
	if err != nil {
		t.Fatal(err)
	}
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	good, files := estate(t, conn)
	defer func() {
		for _, n := range files {
			if err := unix.Close(n); err != nil {
				t.Errorf("descriptor %d was taken: %v", n, err)
			}
		}
	}()
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	for what, spoil := range map[string]func(e *scmrights.Estate, files []int) []int{
		"another version":     func(e *scmrights.Estate, f []int) []int { e.Version++; return f },
		"no descriptors":      func(e *scmrights.Estate, f []int) []int { return nil },
		"one too few":         func(e *scmrights.Estate, f []int) []int { return f[:1] },
		"one too many":        func(e *scmrights.Estate, f []int) []int { return append(f, null) },
		"another file":        func(e *scmrights.Estate, f []int) []int { f[1] = null; return f },
		"no channel":          func(e *scmrights.Estate, f []int) []int { f[0] = null; return f },
		"an untrue balance":   func(e *scmrights.Estate, f []int) []int { e.Balance.Open++; return f },
		"a phase of its own":  func(e *scmrights.Estate, f []int) []int { e.Phase = 77; return f },
		"too many messages":   func(e *scmrights.Estate, f []int) []int { e.Inbox = make([]scmrights.Message, 1000); return f },
		"a copy out of range": func(e *scmrights.Estate, f []int) []int { e.Offers[0].Grants[0].Copy = 9; return f },
	} {
		bad := good
		bad.Offers = []scmrights.EstateOffer{good.Offers[0]}
		bad.Offers[0].Grants = slices.Clone(good.Offers[0].Grants)
		if _, _, err := scmrights.Import(bad, spoil(&bad, slices.Clone(files)), scmrights.Config{}); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	conn.Resume()
}
