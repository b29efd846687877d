package sdktest_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// dialWatched is dial with a pidfd, by which the Conn looks at the copies of
// its peer (identity level 2).
func dialWatched(t *testing.T, l language, cfg scmrights.Config) *peer {
	t.Helper()
	testenv.CheckFDs(t)
	p, parent := start(t, l, "peer")
	n, err := unix.PidfdOpen(p.cmd.Process.Pid, 0)
	testenv.Need(t, "pidfd_open", err)
	copied, err := unix.PidfdGetfd(n, 3, 0)
	testenv.Need(t, "the rights to look into a child (pidfd_getfd)", err)
	unix.Close(copied)
	cfg.PID, cfg.PidFD = p.cmd.Process.Pid, os.NewFile(uintptr(n), "pidfd")
	t.Cleanup(func() { cfg.PidFD.Close() })
	if p.conn, err = scmrights.NewConn(parent, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	if _, err := p.conn.Hello(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := p.conn.Welcome(7); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestExclusiveLive: the receipts' numbers are true, so that the Conn finds the
// same open file there; the peer is shown the descriptor after COMMIT; and a
// second copy in this process is found, taken back, and never shown.
func TestExclusiveLive(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dialWatched(t, l, scmrights.Config{})
		p.tell(msgKeep, 1)
		for i := range 100 {
			grants := p.offer(item(t, fmt.Sprintf("alone %d", i), scmrights.ModeExclusive), item(t, "too", scmrights.ModeExclusive))
			for _, g := range grants {
				if err := g.Wait(within(t)); err != nil || g.State() != scmrights.StateCommitted {
					t.Fatalf("%s: %s, %v", g.Name(), g.State(), err)
				}
			}
		}
		if r := p.report(); r.verified != 200 || r.wrong != 0 || r.held != 200 {
			t.Errorf("the peer says %+v", r)
		}
		shared := item(t, "shared", scmrights.ModeExclusive)
		second, err := unix.FcntlInt(shared.File.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(second)
		if err := p.offer(shared)[0].Wait(within(t)); !errors.Is(err, scmrights.ErrShared) {
			t.Errorf("a descriptor of two holders: %v", err)
		}
		if code := p.wait(); code != 0 { // the Conn has ended the channel
			t.Errorf("the peer ended with %d", code)
		}
	})
}

// TestComparedLive: with Config.Compare the Conn looks at every copy of a peer
// that keeps what it has.
func TestComparedLive(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dialWatched(t, l, scmrights.Config{Compare: 1})
		p.tell(msgKeep, 1)
		for i := range 50 {
			g := p.offer(item(t, fmt.Sprintf("seen %d", i), scmrights.ModeShare))[0]
			if err := g.Wait(within(t)); err != nil {
				t.Fatal(err)
			}
		}
		if r := p.report(); r.verified != 50 || r.wrong != 0 {
			t.Errorf("the peer says %+v", r)
		}
	})
}

// TestRevokeLive: what is revoked the peer closes and reports in time, whatever
// the mode; the Conn looks and finds it gone.
func TestRevokeLive(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dialWatched(t, l, scmrights.Config{})
		before := p.report()
		p.tell(msgKeep, 1)
		var all []*scmrights.Grant
		for i := range 40 {
			mode := []scmrights.Mode{scmrights.ModeLend, scmrights.ModeShare, scmrights.ModeMove, scmrights.ModeExclusive}[i%4]
			g := p.offer(item(t, fmt.Sprintf("back %d", i), mode))[0]
			if err := g.Wait(within(t)); err != nil {
				t.Fatal(err)
			}
			all = append(all, g)
		}
		if err := p.conn.Revoke(within(t), all[:30]...); err != nil {
			t.Fatal(err)
		}
		for i, g := range all {
			if revoked := g.State() == scmrights.StateRevoked; revoked != (i < 30) {
				t.Errorf("%s is %s", g.Name(), g.State())
			}
		}
		if r := p.report(); r.verified != 40 || r.held != 10 || r.open != before.open+10 {
			t.Errorf("the peer says %+v, before %+v", r, before)
		}
		p.tell(msgKeep, 0) // and it gives back the others by itself
		p.report()
		for _, g := range all[30:] {
			if g.State() != scmrights.StateReleased {
				t.Errorf("%s is %s", g.Name(), g.State())
			}
		}
		if n := p.conn.Late(); n != 0 {
			t.Errorf("%d words came late", n)
		}
	})
}

// TestAbortLive: an offer whose receipt comes too late is taken back.
func TestAbortLive(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dial(t, l, scmrights.Config{ReceiptTimeout: 50 * time.Millisecond})
		before := p.report()
		p.tell(msgKeep, 1)
		p.report()
		if err := p.cmd.Process.Signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		stopped(t, p.cmd.Process.Pid)
		g := p.offer(item(t, "late", scmrights.ModeShare))[0]
		if err := g.Wait(within(t)); !errors.Is(err, scmrights.ErrExpired) {
			t.Fatal(err)
		}
		if err := p.cmd.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if r := p.report(); r.held != 0 || r.open != before.open {
			t.Errorf("the peer says %+v, before %+v", r, before)
		}
	})
}
