package scmrights_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestConformanceFreeBSD: the cases of FreeBSD's unix_passfd_test by their
// names. They are written for stream sockets; here they run on every type.
func TestConformanceFreeBSD(t *testing.T) {
	if !testenv.InSubprocess(t, nil) { // send_a_lot lowers the limit of the process
		return
	}
	for name, test := range freebsdCases {
		t.Run(name, func(t *testing.T) {
			forKinds(t, func(t *testing.T, typ int) {
				testenv.CheckFDs(t)
				fa, fb := filePair(t, typ)
				test(t, typ, cmsgPair{fa, fb, open(t, fa), open(t, fb)})
			})
		})
	}
}

var freebsdCases = map[string]func(*testing.T, int, cmsgPair){
	"simple_send_fd": func(t *testing.T, _ int, c cmsgPair) {
		f := memfd(t, "m")
		mustSend(t, c.a, packet("x", f))
		d := mustReceive(t, c.b, "x", 1)
		if !sameOpenFile(t, f, d.Files[0]) {
			t.Error("another file came")
		}
		d.Files[0].Close()
	},
	"simple_send_fd_msg_cmsg_cloexec": func(t *testing.T, _ int, c cmsgPair) {
		mustSend(t, c.a, packet("x", memfd(t, "m")))
		d := mustReceive(t, c.b, "x", 1)
		if flags, err := unix.FcntlInt(uintptr(number(t, d.Files[0])), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("flags %d, %v", flags, err)
		}
		checkMemfd(t, d.Files[0], "m")
	},
	"send_and_close": func(t *testing.T, _ int, c cmsgPair) {
		f := memfd(t, "m")
		mustSend(t, c.a, packet("x", f))
		must(t, f.Close())
		checkMemfd(t, mustReceive(t, c.b, "x", 1).Files[0], "m")
	},
	"send_and_cancel": func(t *testing.T, _ int, c cmsgPair) {
		r, w := witness(t)
		mustSend(t, c.a, packet("x", w))
		must(t, w.Close())
		expectHeld(t, r)
		must(t, c.a.Close())
		must(t, c.b.Close())
		endsWith(t, r, waitLong)
	},
	// Here Linux differs: shutdown leaves what is in the queue, to be read still.
	"send_and_shutdown": func(t *testing.T, _ int, c cmsgPair) {
		r, w := witness(t)
		mustSend(t, c.a, packet("x", w))
		must(t, w.Close())
		must(t, unix.Shutdown(number(t, c.fb), unix.SHUT_RD))
		expectHeld(t, r)
		mustReceive(t, c.b, "x", 1).Files[0].Close()
		endsWith(t, r, waitLong)
	},
	// Too many are refused, the most come whole, and a receiver without a free
	// number hears of it and goes on. FreeBSD has EMSGSIZE for the last.
	"send_a_lot": func(t *testing.T, _ int, c cmsgPair) {
		f := memfd(t, "m")
		p := packet("x")
		for range scmrights.MaxFiles + 1 {
			p.Files = append(p.Files, f)
		}
		if n, err := c.a.Send(p); n != 0 || !errors.Is(err, scmrights.ErrTooMany) {
			t.Errorf("%d, %v", n, err)
		}
		p.Files = p.Files[1:]
		mustSend(t, c.a, p)
		for _, f := range mustReceive(t, c.b, "x", scmrights.MaxFiles).Files {
			f.Close()
		}
		mustSend(t, c.a, packet("x", f))
		mustSend(t, c.a, packet("next"))
		undo := leaveFree(t, 0)
		text, d, err := receiveText(c.b, 64, 1)
		undo()
		if text != "x" || len(d.Files) != 0 || !isCut(err, scmrights.Truncation{Control: true, Room: 64}) {
			t.Errorf("%q, %+v, %v", text, d, err)
		}
		mustReceive(t, c.b, "next", 0)
	},
	"two_files": func(t *testing.T, _ int, c cmsgPair) {
		mustSend(t, c.a, packet("1", memfd(t, "one")))
		mustSend(t, c.a, packet("2", memfd(t, "two")))
		checkMemfd(t, mustReceive(t, c.b, "1", 1).Files[0], "one")
		checkMemfd(t, mustReceive(t, c.b, "2", 1).Files[0], "two")
	},
	"bundle": func(t *testing.T, _ int, c cmsgPair) {
		mustSend(t, c.a, packet("x", c.fa)) // a socket over itself
		must(t, c.a.Close())
		d := mustReceive(t, c.b, "x", 1)
		mustSend(t, c.b, packet("back"))
		mustReceive(t, open(t, d.Files[0]), "back", 0)
	},
	"bundle_cancel": func(t *testing.T, _ int, c cmsgPair) {
		r, w := witness(t)
		mustSend(t, c.a, packet("x", c.fa, w))
		mustSend(t, c.b, packet("x", c.fa))
		must(t, w.Close())
		must(t, c.a.Close())
		must(t, c.b.Close())
		pokeCollector(t, func() bool {
			must(t, r.SetReadDeadline(time.Now().Add(time.Millisecond)))
			_, err := r.Read(make([]byte, 1))
			return err == io.EOF
		})
	},
	"devfs_orphan": func(t *testing.T, _ int, c cmsgPair) {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		must(t, err)
		mustSend(t, c.a, packet("x", null))
		must(t, null.Close())
		if got := fdinfo(t, number(t, c.fb), "scm_fds"); got != "1" && got != "" {
			t.Errorf("scm_fds %s", got)
		}
		must(t, c.a.Close())
		must(t, c.b.Close())
	},
	// A payload that the send buffer does not hold, with credentials asked for.
	"rights_creds_payload": func(t *testing.T, typ int, c cmsgPair) {
		must(t, c.b.PassCredentials(true))
		big := packet(strings.Repeat("p", 4<<20), memfd(t, "m"))
		must(t, c.a.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		n, err := c.a.Send(big)
		if typ != unix.SOCK_STREAM {
			if n != 0 || !errors.Is(err, scmrights.ErrTooLong) {
				t.Errorf("%d, %v", n, err)
			}
			return
		}
		if n == 0 || n == 4<<20 || !errors.Is(err, scmrights.ErrBlocked) {
			t.Fatalf("%d, %v: want a part of it", n, err)
		}
		got, files := 0, 0
		for got < n {
			d, err := c.b.Receive(scmrights.Room{Data: [][]byte{make([]byte, 1<<20)}, Files: 1})
			must(t, err)
			checkCreds(t, d, ownCreds())
			for _, f := range d.Files {
				checkMemfd(t, f, "m")
				files++
			}
			got += d.N
		}
		if got != n || files != 1 {
			t.Errorf("%d bytes of %d, %d files", got, n, files)
		}
	},
	"truncated_rights":     truncatedRights,
	"copyout_rights_error": copyoutError,
	"empty_rights_message": emptyRights,
}

// truncatedRights: Linux makes one message of several, so that a cut between two
// is one inside it; nothing that does not fit gets a number.
func truncatedRights(t *testing.T, _ int, c cmsgPair) {
	f := memfd(t, "m")
	n := number(t, f)
	one := sys.ScmAppendRights(nil, []int{n})
	two := sys.ScmAppendRights(bytes.Clone(one), []int{n})
	rows := map[string]struct {
		sent    []byte
		room    int
		arrives int
	}{
		"case 1":  {one, unix.CmsgLen(0), 0},
		"case 2a": {two, unix.CmsgLen(4), 1},
		"case 2b": {two, unix.CmsgSpace(0), 0},
		"case 2c": {two, unix.CmsgSpace(4) - 4, (unix.CmsgSpace(4) - 4 - unix.CmsgLen(0)) / 4},
		"case 3":  {sys.ScmAppendRights(nil, []int{n, n, n}), unix.CmsgLen(4), 1},
	}
	for name, row := range rows {
		if _, err := sys.ScmSend(number(t, c.fa), []byte("x"), row.sent, unix.MSG_NOSIGNAL); err != nil {
			t.Fatal(err)
		}
		got, err := rawReceive(t, c.fb, 1, row.room, 0)
		if err != nil || got.flags != unix.MSG_CTRUNC || len(got.files) != row.arrives {
			t.Errorf("%s: %+v, %v; want %d files", name, got, err, row.arrives)
		}
		// And the layer with room for fewer than come:
		if _, err := sys.ScmSend(number(t, c.fa), []byte("x"), row.sent, unix.MSG_NOSIGNAL); err != nil {
			t.Fatal(err)
		}
		if _, d, err := receiveText(c.b, 1, row.arrives); len(d.Files) != 0 || !isCut(err, scmrights.Truncation{Control: true, Closed: row.arrives, Room: 1}) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// copyoutError: a control buffer that cannot be written to. Linux delivers the
// data and gives no number away.
func copyoutError(t *testing.T, _ int, c cmsgPair) {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	must(t, err)
	defer func() { must(t, unix.Munmap(page)) }()
	r, w := witness(t)
	mustSend(t, c.a, packet("x", w))
	must(t, w.Close())
	n, _, _, err := sys.ScmReceive(number(t, c.fb), make([]byte, 8), page[:unix.CmsgSpace(4)], unix.MSG_DONTWAIT)
	if err == nil && n != 1 || err != nil && err != unix.EFAULT {
		t.Errorf("%d, %v", n, err)
	}
	endsWith(t, r, waitLong)
}

// emptyRights: an SCM_RIGHTS message without descriptors adds nothing, before or
// behind one that has some.
func emptyRights(t *testing.T, _ int, c cmsgPair) {
	f := memfd(t, "m")
	empty, full := sys.ScmAppendRights(nil, nil), sys.ScmAppendRights(nil, []int{number(t, f)})
	for _, control := range [][]byte{append(bytes.Clone(empty), full...), append(bytes.Clone(full), empty...)} {
		if _, err := sys.ScmSend(number(t, c.fa), []byte("x"), control, unix.MSG_NOSIGNAL); err != nil {
			t.Fatal(err)
		}
		checkMemfd(t, mustReceive(t, c.b, "x", 1).Files[0], "m")
	}
	if _, err := sys.ScmSend(number(t, c.fa), []byte("x"), empty, unix.MSG_NOSIGNAL); err != nil {
		t.Fatal(err)
	}
	mustReceive(t, c.b, "x", 0)
}

// TestConformanceOpenBSD: unfdpassfail. A descriptor is closed by another thread
// while it is being sent: it goes whole or not at all, and nothing stays open.
func TestConformanceOpenBSD(t *testing.T) {
	testenv.CheckFDs(t)
	r, w := witness(t)
	kept := duplicateOf(t, w)
	went, refused := 0, 0
	for start := time.Now(); time.Since(start) < 300*time.Millisecond; {
		a, b := plainPair(t, unix.SOCK_STREAM)
		closing := os.NewFile(uintptr(dup(t, w)), "closing")
		go closing.Close()
		n, err := a.Send(packet("x", closing, kept))
		switch {
		case err == nil && n == 1:
			went++
			for _, f := range mustReceive(t, b, "x", 2).Files {
				if !sameOpenFile(t, f, kept) {
					t.Fatal("another file came")
				}
				f.Close()
			}
		case n == 0 && isBoth(err, scmrights.ErrBadFile, os.ErrClosed):
			refused++
		default:
			t.Fatalf("%d, %v", n, err)
		}
		closing.Close()
		a.Close()
		b.Close()
	}
	t.Logf("%d went, %d were refused", went, refused)
	if went == 0 {
		t.Error("none went")
	}
	kept.Close()
	w.Close()
	endsWith(t, r, waitLong)
}

func duplicateOf(t *testing.T, f *os.File) *os.File { return os.NewFile(uintptr(dup(t, f)), f.Name()) }
