package scmrights_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

func audited(t testing.TB, a *scmrights.Auditor) scmrights.Audit {
	t.Helper()
	found, err := a.Audit()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestAuditAtEveryStep: the books are right while a descriptor is on its way.
func TestAuditAtEveryStep(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{})
	items := append(attribute(t, "a", scmrights.ModeMove), attribute(t, "b", scmrights.ModeShare)...)
	auditor, err := scmrights.NewAuditor(conn)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when string, held, pipes, queued int) {
		t.Helper()
		found := audited(t, auditor)
		if !found.Balanced() {
			t.Errorf("%s:\n%s", when, strings.Join(found.Differences, "\n"))
		}
		if found.Held != held || found.Pipes != pipes || found.Queued != queued {
			t.Errorf("%s: %+v, want %d held, %d pipes, %d queued", when, found, held, pipes, queued)
		}
	}
	expect("before", 0, 0, 0)
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	expect("in the queue", 2, 1, 3)
	_, rights := w.receive()
	// They are in this process now, as no worker's would be.
	found := audited(t, auditor)
	for i, want := range []string{": a second copy of a", ": a second copy of b", ""} {
		says := fmt.Sprintf("descriptor %d (", rights[i])
		matches := 0
		for _, d := range found.Differences {
			if strings.HasPrefix(d, says) && strings.HasSuffix(d, "is in no account"+want) {
				matches++
			}
		}
		if matches != 1 {
			t.Errorf("nothing about %s...%s in %q", says, want, found.Differences)
		}
	}
	_ = unix.Close(rights[0])
	_ = unix.Close(rights[1])
	pipe := os.NewFile(uintptr(rights[2]), "receipt")
	_, _ = pipe.Write([]byte{6})
	pipe.Close()
	for _, g := range grants {
		if err := g.Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
	}
	expect("delivered", 1, 0, 0)
	if err := grants[1].Close(); err != nil {
		t.Fatal(err)
	}
	expect("given up", 0, 0, 0)
}

// TestAuditFindsWhatIsWrong: a copy closed, and one replaced, behind the
// ledger's back.
func TestAuditFindsWhatIsWrong(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	conn, w := greeted(t, scmrights.Config{Name: "victim"})
	items := attribute(t, "a", scmrights.ModeShare)
	other := duplicate(t, file(t, "b"))
	auditor, err := scmrights.NewAuditor(conn)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := testenv.Descriptors()
	if _, err := conn.Offer(trusted, items); err != nil {
		t.Fatal(err)
	}
	pipe := w.offer()
	defer pipe.Close()
	// The copy is the first number that was not there before.
	copied := -1
	after, _ := testenv.Descriptors()
	for _, d := range after {
		var n int
		var link string
		_, _ = fmt.Sscan(d, &n, &link)
		if strings.HasSuffix(link, "attribute") && !strings.Contains(strings.Join(before, "\n")+"\n", d+"\n") {
			copied = n
		}
	}
	if err := unix.Dup3(other, copied, unix.O_CLOEXEC); err != nil {
		t.Fatal(copied, err)
	}
	if d := audited(t, auditor).Differences; len(d) == 0 || !strings.Contains(strings.Join(d, "\n"), fmt.Sprintf("a, descriptor %d: it leads to another file", copied)) {
		t.Errorf("replaced: %q", d)
	}
	unix.Close(copied)
	if d := audited(t, auditor).Differences; len(d) == 0 || !strings.Contains(strings.Join(d, "\n"), fmt.Sprintf("a, descriptor %d: booked as open, and bad file descriptor", copied)) {
		t.Errorf("closed: %q", d)
	}
	os.Exit(map[bool]int{true: 1, false: reported()}[t.Failed()])
}

// reported ends a child whose table is broken on purpose, as a test that passed.
func reported() int {
	fmt.Println("--- PASS: TestAuditFindsWhatIsWrong")
	return 0
}
