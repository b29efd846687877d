package scmrights_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// setting is an environment variable's value, or what is used without it.
func setting(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, value, err)
	}
	return n
}

// soak is one channel under random use.
type soak struct {
	t      testing.TB
	conn   *scmrights.Conn
	random *rand.Rand
	path   string
	out    []*scmrights.Grant // shared and lent ones that were not taken back yet
	counts map[string]int
	names  int
}

// TestSoak hands over random batches in random modes through one channel,
// revokes, reclaims and gives up at random, and compares the books with the
// kernel's all the way. N grants, from SEED.
func TestSoak(t *testing.T) {
	testenv.CheckFDs(t)
	n, seed := setting(t, "N", 3000), setting(t, "SEED", uint64(time.Now().UnixNano()))
	t.Logf("SEED=%d N=%d", seed, n)
	conn, _ := worker(t, "store", scmrights.Config{Compare: 20})
	greet(t, conn)
	if err := conn.Send(askQuiet, nil); err != nil {
		t.Fatal(err)
	}
	table := tableOf(t, conn)
	s := &soak{t: t, conn: conn, random: rand.New(rand.NewPCG(seed, seed)), path: file(t, "soak").Name(), counts: map[string]int{}}
	auditor, err := scmrights.NewAuditor(conn)
	if err != nil {
		t.Fatal(err)
	}
	audits, granted, begin := 0, 0, time.Now()
	for granted < int(n) {
		granted += s.batch(min(int(n)-granted, 1+s.random.IntN(40)))
		if s.random.IntN(20) == 0 {
			audits++
			if found := audited(t, auditor); !found.Balanced() {
				t.Fatalf("after %d grants:\n%s", granted, strings.Join(found.Differences, "\n"))
			}
		}
		if len(s.out) > 100 {
			s.takeBack()
		}
	}
	s.takeBack()
	if err := conn.Send(askClose, nil); err != nil {
		t.Fatal(err)
	}
	s.until(saysTable)
	found, b := audited(t, auditor), conn.Ledger()
	if !found.Balanced() || found.Held != 0 || found.Pipes != 0 || found.Queued != 0 {
		t.Errorf("at the end: %+v", found)
	}
	if b.Open != 0 || b.Pipes != 0 || b.Taken != uint64(granted) || b.Taken != b.Closed+b.Reclaimed {
		t.Errorf("the ledger at the end: %+v after %d grants", b, granted)
	}
	if after := tableOf(t, conn); after != table {
		t.Errorf("the worker has %s descriptors open, before %s", after, table)
	}
	t.Logf("%d grants %v, %d audits, all balanced; at the end %d taken = %d closed + %d reclaimed, %d open, %d pipes, %d queued, %d differences; worker %s descriptors before and after; %v",
		granted, s.counts, audits+1, b.Taken, b.Closed, b.Reclaimed, b.Open, b.Pipes, found.Queued, len(found.Differences), table, time.Since(begin).Round(time.Second))
}

// batch offers n descriptors in one mode and waits for them.
func (s *soak) batch(n int) int {
	mode := []scmrights.Mode{scmrights.ModeShare, scmrights.ModeMove, scmrights.ModeExclusive, scmrights.ModeLend}[s.random.IntN(4)]
	if mode == scmrights.ModeExclusive {
		n = min(n, 4) // each is an open file of its own
	}
	var items []scmrights.Item
	f := s.open()
	for range n {
		// Few names, so that the worker replaces what it has.
		s.names++
		item := scmrights.Item{Name: fmt.Sprintf("n%d", s.names%150), Kind: scmrights.KindFile, Mode: mode, File: f}
		if mode == scmrights.ModeExclusive && len(items) > 0 {
			item.File = s.open()
		}
		items = append(items, item)
	}
	grants, err := s.conn.Offer(trusted, items)
	if err != nil {
		s.t.Fatal(err)
	}
	if mode != scmrights.ModeExclusive {
		f.Close()
	}
	for _, g := range grants {
		if err := g.Wait(limit(s.t)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.counts[mode.String()] += n
	switch mode {
	case scmrights.ModeShare, scmrights.ModeLend:
		s.out = append(s.out, grants...)
	default:
		s.giveUp(grants)
	}
	return n
}

func (s *soak) open() *os.File {
	f, err := os.Open(s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *soak) giveUp(grants []*scmrights.Grant) {
	for _, g := range grants {
		if err := g.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// takeBack revokes what was lent, reclaims some of what was shared, and gives
// up the rest.
func (s *soak) takeBack() {
	var lent []*scmrights.Grant
	for _, g := range s.out {
		switch {
		case g.Mode() == scmrights.ModeLend:
			lent = append(lent, g)
		case s.random.IntN(2) == 0:
			f, err := g.Reclaim()
			if err != nil {
				s.t.Fatal(err)
			}
			f.Close()
			s.counts["reclaimed"]++
		}
	}
	if err := s.conn.Revoke(limit(s.t), lent...); err != nil {
		s.t.Fatal(err)
	}
	s.counts["revoked"] += len(lent)
	for range lent {
		s.until(saysRevoked)
	}
	s.giveUp(s.out)
	s.out = s.out[:0]
}

// until receives one message of this kind.
func (s *soak) until(kind uint16) { hear(s.t, s.conn, kind) }

// tableOf is how many descriptors the worker has open.
func tableOf(t testing.TB, conn *scmrights.Conn) string {
	t.Helper()
	if err := conn.Send(askTable, nil); err != nil {
		t.Fatal(err)
	}
	return hear(t, conn, saysTable)
}
