package scmrights_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// opened is one descriptor of a file with this text, with no other copy.
func opened(t testing.TB, text string) *os.File {
	t.Helper()
	f, err := os.Open(file(t, text).Name())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func exclusive(t testing.TB, text string) []scmrights.Item {
	return []scmrights.Item{{Name: "only", Kind: scmrights.KindFile, Mode: scmrights.ModeExclusive, File: opened(t, text)}}
}

func hear(t testing.TB, conn *scmrights.Conn, kind uint16) string {
	t.Helper()
	m, err := conn.Receive(limit(t))
	if err != nil || m.Kind != kind {
		t.Fatalf("%+v, %v instead of message %d", m, err, kind)
	}
	return string(m.Body)
}

// lastWord receives until the channel ends.
func lastWord(t testing.TB, conn *scmrights.Conn) error {
	t.Helper()
	for {
		if _, err := conn.Receive(limit(t)); err != nil {
			return err
		}
	}
}

// TestExclusive: the worker's copy is compared, ours are closed, and only then
// the plugin has it.
func TestExclusive(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := worker(t, "store", scmrights.Config{})
	greet(t, conn)
	items := exclusive(t, "one holder")
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	if err := items[0].File.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the caller's file was left open: %v", err)
	}
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	if g := grants[0]; g.State() != scmrights.StateCommitted || g.Identity() != scmrights.IdentitySame {
		t.Errorf("%s, %s", g.State(), g.Identity())
	}
	if b := conn.Ledger(); b.Open != 0 || b.Closed != 1 {
		t.Errorf("%+v", b)
	}
	if got := hear(t, conn, saysGot); got != "only=one holder" {
		t.Errorf("the plugin has %q", got)
	}
	if _, err := grants[0].Reclaim(); err == nil {
		t.Error("reclaimed what the worker alone has")
	}
}

// TestExclusiveWaitsForCommit: the plugin sees nothing before COMMIT, nothing
// at all after ABORT or at the end of the channel, and nothing stays open.
func TestExclusiveWaitsForCommit(t *testing.T) {
	testenv.CheckFDs(t)
	p, peer := rawParent(t)
	f := file(t, "a")
	before, _ := testenv.Descriptors()
	for seq, last := range []byte{0, 0, 4, 5} { // then COMMIT, ABORT
		r := p.sendOffer(uint64(2*seq+2), [][]byte{slotOf(t, f, byte(seq+1), 2, 2, "a")}, f)
		p.send(frame(16, 7, uint64(2*seq+3), 0, make([]byte, 4)))
		if e, err := peer.Receive(limit(t)); err != nil || e.Message == nil || len(e.Grants) != 0 {
			t.Fatalf("before COMMIT: %+v, %v", e, err)
		}
		if outcome, _ := verdicts(t, r); outcome != 0 {
			t.Errorf("outcome %d", outcome)
		}
		r.Close()
		if last == 0 {
			continue
		}
		// The two before wait on; this one is decided.
		p.send(frame(last, 7, uint64(2*seq+4), 0, []byte{byte(2*seq + 2), 0, 0, 0, 0, 0, 0, 0}))
		if last == 4 {
			e, err := peer.Receive(limit(t))
			if err != nil || len(e.Grants) != 1 || e.Grants[0].Mode != scmrights.ModeExclusive {
				t.Fatalf("after COMMIT: %+v, %v", e, err)
			}
			e.Grants[0].Close()
		}
		break
	}
	now, _ := testenv.Descriptors()
	if len(now) != len(before)+2 {
		t.Errorf("%d descriptors, before %d: two wait for COMMIT", len(now), len(before))
	}
	p.send(frame(5, 7, 9, 0, []byte{2, 0, 0, 0, 0, 0, 0, 0}))
	p.send(frame(11, 7, 10, 0, []byte{3, 0, 0, 0}))
	if e, err := peer.Receive(limit(t)); err == nil {
		t.Fatalf("after ABORT and BYE: %+v", e)
	}
	if reason, said := peer.Bye(); reason != 3 || !said {
		t.Errorf("BYE %d %v", reason, said)
	}
	if now, _ = testenv.Descriptors(); len(now) != len(before) {
		t.Errorf("%d descriptors at the end of the channel, before %d", len(now), len(before))
	}
}

// TestExclusiveTricks: what a worker can try, and what becomes of the grant.
func TestExclusiveTricks(t *testing.T) {
	rows := []struct {
		trick string
		state scmrights.State
		err   error
		says  string
		ends  bool // the channel ends, for the worker is to be ended
		after byte // what the worker is told: 4 COMMIT, 5 ABORT
	}{
		{"honest", scmrights.StateCommitted, nil, "", false, 4},
		{"number of nothing", scmrights.StateAborted, scmrights.ErrForged, "the worker has no descriptor 200, which it calls only", true, 5},
		{"number of another", scmrights.StateAborted, scmrights.ErrForged, "descriptor 2 of the worker is not only", true, 5},
		{"closed before the receipt", scmrights.StateAborted, scmrights.ErrForged, "the worker has no descriptor", true, 5},
		{"reopened", scmrights.StateAborted, scmrights.ErrForged, "is not only", true, 5},
		{"short receipt", scmrights.StateAborted, scmrights.ErrUnsupported, "whose receipt has no numbers", false, 5},
		{"dies", scmrights.StateLost, scmrights.ErrLost, "", true, 0},
	}
	for _, row := range rows {
		t.Run(row.trick, func(t *testing.T) {
			testenv.CheckFDs(t)
			t.Setenv(trickVariable, row.trick)
			faults := make(chan error, 1)
			conn, _ := worker(t, "trick", scmrights.Config{Resends: -1, OnFault: func(err error) { faults <- err }})
			greet(t, conn)
			grants, err := conn.Offer(trusted, exclusive(t, "x"))
			if err != nil {
				t.Fatal(err)
			}
			g := grants[0]
			if err := g.Wait(limit(t)); !errors.Is(err, row.err) || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v\nwant %v: %s", err, row.err, row.says)
			}
			if g.State() != row.state {
				t.Errorf("the grant is %s, want %s", g.State(), row.state)
			}
			if errors.Is(row.err, scmrights.ErrForged) {
				select {
				case err := <-faults:
					if !errors.Is(err, row.err) {
						t.Errorf("OnFault: %v", err)
					}
				case <-limit(t).Done():
					t.Fatal("OnFault was not called")
				}
			}
			if !row.ends {
				if got := hear(t, conn, uint16(row.after)); got != "" {
					t.Error(got)
				}
			} else if err := lastWord(t, conn); row.err == scmrights.ErrForged && !errors.Is(err, scmrights.ErrForged) {
				t.Errorf("the channel ended with: %v", err)
			}
			if row.state != scmrights.StateCommitted {
				f, err := g.Reclaim()
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
		})
	}
}

// TestExclusiveSecondCopy: a copy in this process, kept by mistake, is found by
// every way of comparing; fstat finds the same inode.
func TestExclusiveSecondCopy(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := worker(t, "store", scmrights.Config{})
	greet(t, conn)
	items := exclusive(t, "x")
	kept := duplicate(t, items[0].File)
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	if err := grants[0].Wait(limit(t)); !errors.Is(err, scmrights.ErrShared) || !strings.Contains(err.Error(), "is only too") {
		t.Errorf("with a second copy, descriptor %d: %v", kept, err)
	}
	if _, err := conn.Receive(limit(t)); !errors.Is(err, scmrights.ErrShared) {
		t.Errorf("the channel: %v", err)
	}
}

// TestExclusiveAgainstItself: the same open file twice in one offer.
func TestExclusiveAgainstItself(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := worker(t, "store", scmrights.Config{})
	greet(t, conn)
	items := append(exclusive(t, "x"), scmrights.Item{Name: "again", Kind: scmrights.KindFile, Mode: scmrights.ModeExclusive})
	items[1].File = items[0].File
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range grants {
		if err := g.Wait(limit(t)); !errors.Is(err, scmrights.ErrShared) {
			t.Errorf("%s: %v", g.Name(), err)
		}
	}
}

// TestCommitTooLate: comparing that outlasts its deadline ends in ABORT.
func TestCommitTooLate(t *testing.T) {
	testenv.CheckFDs(t)
	t.Setenv(trickVariable, "honest")
	conn, _ := worker(t, "trick", scmrights.Config{Clock: &leapClock{}, CommitTimeout: time.Second})
	greet(t, conn)
	grants, err := conn.Offer(trusted, exclusive(t, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := grants[0].Wait(limit(t)); !errors.Is(err, scmrights.ErrExpired) || grants[0].State() != scmrights.StateExpired {
		t.Errorf("%v, %s", err, grants[0].State())
	}
	hear(t, conn, 5)
}

// TestSameOpenFile asks every way of comparing the same three questions.
func TestSameOpenFile(t *testing.T) {
	testenv.CheckFDs(t)
	f := file(t, "x")
	again, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	a, copied, reopened, other := duplicate(t, f), duplicate(t, f), duplicate(t, again), duplicate(t, file(t, "y"))
	for way := range 3 {
		missing := false
		for n, want := range map[int]bool{copied: true, reopened: way == 2, other: false} {
			name, same, err := scmrights.CompareBy(way, a, n)
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
				t.Logf("this kernel has no %s", name)
				missing = true
				continue
			}
			if err != nil || same != want {
				t.Errorf("%s of %d and %d: %v, %v, want %v", name, a, n, same, err, want)
			}
		}
		if missing {
			continue
		}
		if name, same, err := scmrights.CompareBy(way, a, 1000); same || !errors.Is(err, unix.EBADF) {
			t.Errorf("%s with a number that is not open: %v, %v", name, same, err)
		}
	}
}

// TestCompared: in the other modes a share of the grants is looked at too.
func TestCompared(t *testing.T) {
	for trick, want := range map[string]scmrights.Identity{
		"honest": scmrights.IdentitySame, "number of nothing": scmrights.IdentityGone, "number of another": scmrights.IdentityOther,
		"short receipt": scmrights.IdentityUnchecked,
	} {
		t.Run(trick, func(t *testing.T) {
			testenv.CheckFDs(t)
			t.Setenv(trickVariable, trick)
			conn, _ := worker(t, "trick", scmrights.Config{Compare: 1})
			greet(t, conn)
			grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove))
			if err != nil {
				t.Fatal(err)
			}
			g := grants[0]
			if err := g.Wait(limit(t)); errors.Is(err, scmrights.ErrForged) != (want == scmrights.IdentityOther) {
				t.Error(err)
			}
			if g.Identity() != want {
				t.Errorf("%s, want %s", g.Identity(), want)
			}
			f, err := g.Reclaim()
			if (err == nil) != (want == scmrights.IdentityOther) {
				t.Errorf("reclaimed: %v", err)
			}
			f.Close()
		})
	}
}

// TestExclusiveNeedsItsOwnProof: a proof that is enough for the other modes.
func TestExclusiveNeedsItsOwnProof(t *testing.T) {
	testenv.CheckFDs(t)
	conn, _ := worker(t, "store", scmrights.Config{Proof: 3, ProofExclusive: 4})
	greet(t, conn)
	items := exclusive(t, "one holder")
	defer items[0].File.Close()
	if _, err := conn.Offer(proof{level: 3}, items); !errors.Is(err, scmrights.ErrUnproved) || !strings.Contains(err.Error(), "level 3, needed is 4") {
		t.Errorf("exclusive with level 3: %v", err)
	}
	items[0].Mode = scmrights.ModeShare
	grants, err := conn.Offer(proof{level: 3}, items)
	if err != nil {
		t.Fatal(err)
	}
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Error(err)
	}
}
