package scmrights_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

type proof struct {
	level int
	err   error
}

func (p proof) Level() int   { return p.level }
func (p proof) Check() error { return p.err }

// TestOffersThatAreNotSent: each row is refused before anything is sent or held.
func TestOffersThatAreNotSent(t *testing.T) {
	good := func(edit func(*scmrights.Item)) []scmrights.Item {
		items := attribute(t, "a", scmrights.ModeShare)
		edit(&items[0])
		return items
	}
	same := func(*scmrights.Item) {}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	closed := file(t, "")
	closed.Close()
	rows := []struct {
		name  string
		proof scmrights.Proof
		items []scmrights.Item
		err   error
		says  string
	}{
		{"no proof", nil, good(same), scmrights.ErrUnproved, "no proof"},
		{"low proof", proof{level: 1}, good(same), scmrights.ErrUnproved, "level 1, needed is 3"},
		{"stale proof", proof{3, os.ErrProcessDone}, good(same), os.ErrProcessDone, "not proved"},
		{"nothing", trusted, nil, nil, "0 descriptors"},
		{"251", trusted, make([]scmrights.Item, 251), nil, "251 descriptors"},
		{"no name", trusted, good(func(i *scmrights.Item) { i.Name = "" }), nil, "no name"},
		{"long name", trusted, good(func(i *scmrights.Item) { i.Name = strings.Repeat("n", 48) }), nil, "name of 48 bytes"},
		{"name with zero", trusted, good(func(i *scmrights.Item) { i.Name = "a\x00b" }), nil, "zero bytes"},
		{"twice", trusted, append(good(same), good(same)...), nil, `"a" is in the offer twice`},
		{"no file", trusted, good(func(i *scmrights.Item) { i.File = nil }), nil, "no file"},
		{"closed file", trusted, good(func(i *scmrights.Item) { i.File = closed }), os.ErrClosed, "a: "},
		{"kind 0", trusted, good(func(i *scmrights.Item) { i.Kind = 0 }), nil, "unknown kind 0"},
		{"not a directory", trusted, good(func(i *scmrights.Item) { i.Kind = scmrights.KindDirectory }), nil, "not of kind directory"},
		{"not writable", trusted, good(func(i *scmrights.Item) { i.Access = scmrights.AccessWrite }), nil, "access write"},
		{"not readable", trusted, good(func(i *scmrights.Item) { i.Kind, i.File = scmrights.KindPipe, w }), nil, "access read"},
		{"surplus access", trusted, good(func(i *scmrights.Item) { i.File, i.Kind = memfd(t, ""), scmrights.KindMemfd }), scmrights.ErrAccess, "access read of one that is open for both"},
		{"surplus reading", trusted, good(func(i *scmrights.Item) {
			i.File, i.Kind, i.Access = memfd(t, ""), scmrights.KindMemfd, scmrights.AccessWrite
		}), scmrights.ErrAccess, "access write of one"},
		{"exclusive unseen", trusted, good(func(i *scmrights.Item) { i.Mode = scmrights.ModeExclusive }), scmrights.ErrUnsupported, "mode exclusive: not supported without Config.PidFD"},
		{"exclusive and not", trusted, append(good(same), good(func(i *scmrights.Item) { i.Name, i.Mode = "b", scmrights.ModeExclusive })...), nil, "exclusive as a whole"},
		{"mode 9", trusted, good(func(i *scmrights.Item) { i.Mode = 9 }), scmrights.ErrUnsupported, "mode 9"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			testenv.CheckFDs(t)
			conn, _ := greeted(t, scmrights.Config{Proof: 3})
			_, err := conn.Offer(row.proof, row.items)
			if err == nil || row.err != nil && !errors.Is(err, row.err) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v\nwant %v: %s", err, row.err, row.says)
			}
			if b := conn.Ledger(); b.Open != 0 || b.Pipes != 0 {
				t.Errorf("held: %+v", b)
			}
		})
	}
}

// TestWindowAndCredit: more offers than the window, more slots than the credit.
func TestWindowAndCredit(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{Window: 2})
	offer := func(name string) error {
		_, err := conn.Offer(trusted, attribute(t, name, scmrights.ModeShare))
		return err
	}
	first, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeShare))
	if err := errors.Join(err, offer("b")); err != nil {
		t.Fatal(err)
	}
	if err := offer("c"); !errors.Is(err, scmrights.ErrBusy) || !strings.Contains(err.Error(), "2 offers wait") {
		t.Fatalf("the third offer: %v", err)
	}
	pipe := w.offer()
	_, _ = pipe.Write([]byte{6})
	pipe.Close()
	if err := errors.Join(first[0].Wait(limit(t)), offer("c")); err != nil {
		t.Fatalf("after the first receipt: %v", err)
	}

	few, w := rawWorker(t, scmrights.Config{})
	w.send(frame(1, 0, 1, 0, []byte{1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0}))
	if h, err := few.Hello(limit(t)); err != nil || h.Credit != 1 {
		t.Fatal(h, err)
	}
	if err := few.Welcome(1); err != nil {
		t.Fatal(err)
	}
	two := append(attribute(t, "a", scmrights.ModeShare), attribute(t, "b", scmrights.ModeShare)...)
	if _, err := few.Offer(trusted, two); !errors.Is(err, scmrights.ErrBusy) || !strings.Contains(err.Error(), "it has room for 1") {
		t.Errorf("two descriptors for a credit of one: %v", err)
	}
	silent, _ := rawWorker(t, scmrights.Config{Credit: 1}) // and will not say HELLO
	if _, err := silent.Offer(trusted, two); !errors.Is(err, scmrights.ErrBusy) || !strings.Contains(err.Error(), "it has room for 1") {
		t.Errorf("two descriptors for a worker that is known to have room for one: %v", err)
	}
	if _, err := silent.Offer(trusted, two[:1]); err != nil {
		t.Error(err)
	}
}

func TestHandOver250(t *testing.T) {
	testenv.CheckFDs(t)
	conn, peer := connect(t, scmrights.Config{})
	f := file(t, "one of many")
	items := make([]scmrights.Item, scmrights.MaxSlots)
	for i := range items {
		items[i] = scmrights.Item{Name: fmt.Sprintf("a%d", i), Kind: scmrights.KindAttribute, Mode: scmrights.ModeMove, File: f}
	}
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	got := receiveGrants(t, peer)
	if len(got) != len(items) || got[249].Name != "a249" {
		t.Fatalf("%d descriptors, the last is %q", len(got), got[len(got)-1].Name)
	}
	for _, g := range grants {
		if err := g.Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
	}
	if b := conn.Ledger(); b.Taken != 250 || b.Closed != 250 {
		t.Errorf("%+v", b)
	}
}

// TestBlockingAtTheWorker: an attribute comes without O_NONBLOCK, whatever the
// parent's runtime had set, so that the worker's runtime does not poll it.
func TestBlockingAtTheWorker(t *testing.T) {
	testenv.CheckFDs(t)
	conn, peer := connect(t, scmrights.Config{})
	n, err := unix.Open(file(t, "x").Name(), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(n), "attribute")
	defer f.Close()
	if _, err := conn.Offer(trusted, []scmrights.Item{{Name: "a", Kind: scmrights.KindAttribute, File: f}}); err != nil {
		t.Fatal(err)
	}
	got := receiveGrants(t, peer)[0].File()
	rc, err := got.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = rc.Control(func(n uintptr) {
		flags, err := unix.FcntlInt(n, unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("flags %#x, %v", flags, err)
		}
		flags, err = unix.FcntlInt(n, unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("not close-on-exec: %#x, %v", flags, err)
		}
	})
}

func TestVersionsWithoutOverlap(t *testing.T) {
	conn, w := rawWorker(t, scmrights.Config{})
	w.send(frame(1, 0, 1, 0, []byte{2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
	if _, err := conn.Hello(limit(t)); !errors.Is(err, scmrights.ErrUnsupported) || !strings.Contains(err.Error(), "versions 2 to 3") {
		t.Error(err)
	}
}

// TestPair: what the ends are before anybody has them.
func TestPair(t *testing.T) {
	testenv.CheckFDs(t)
	parent, worker, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	defer worker.Close()
	p, w := duplicate(t, parent), duplicate(t, worker)
	for _, n := range []int{p, w} {
		if kind, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_SEQPACKET {
			t.Errorf("socket type %d, %v", kind, err)
		}
	}
	if on, err := unix.GetsockoptInt(p, unix.SOL_SOCKET, unix.SO_PASSCRED); err != nil || on != 1 {
		t.Errorf("SO_PASSCRED %d, %v", on, err)
	}
	if on, err := unix.GetsockoptInt(p, unix.SOL_SOCKET, unix.SO_PASSRIGHTS); err == nil && on != 0 {
		t.Error("SO_PASSRIGHTS is on")
	}
	flags := func(n int) int {
		f, err := unix.FcntlInt(uintptr(n), unix.F_GETFL, 0)
		if err != nil {
			t.Error(err)
		}
		return f & unix.O_NONBLOCK
	}
	if flags(p) == 0 || flags(w) != 0 {
		t.Errorf("O_NONBLOCK: parent %#x, worker %#x", flags(p), flags(w))
	}
}
