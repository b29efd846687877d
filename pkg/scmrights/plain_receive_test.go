package scmrights_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestReceiveTruncation: what the kernel cuts is an error that says so, and
// whatever had come by then is closed.
func TestReceiveTruncation(t *testing.T) {
	rows := []struct {
		name  string
		typ   int
		files int // sent
		room  scmrights.Room
		wants scmrights.Truncation
	}{
		{"long record", unix.SOCK_SEQPACKET, 0, scmrights.Room{Data: [][]byte{make([]byte, 4)}}, scmrights.Truncation{Length: 10, Room: 4}},
		{"long record with descriptors", unix.SOCK_SEQPACKET, 3, scmrights.Room{Data: [][]byte{make([]byte, 4)}, Files: 5}, scmrights.Truncation{Length: 10, Room: 4, Closed: 3}},
		{"long datagram", unix.SOCK_DGRAM, 1, scmrights.Room{Data: [][]byte{make([]byte, 4), make([]byte, 5)}, Files: 1}, scmrights.Truncation{Length: 10, Room: 9, Closed: 1}},
		{"no room for data", unix.SOCK_DGRAM, 1, scmrights.Room{Files: 1}, scmrights.Truncation{Length: 10, Closed: 1}},
		{"none welcome", unix.SOCK_STREAM, 1, scmrights.Room{Data: [][]byte{make([]byte, 20)}}, scmrights.Truncation{Control: true, Room: 20}},
		{"one welcome, two sent", unix.SOCK_STREAM, 2, scmrights.Room{Data: [][]byte{make([]byte, 20)}, Files: 1}, scmrights.Truncation{Control: true, Closed: 1, Room: 20}},
		{"two welcome, three sent", unix.SOCK_SEQPACKET, 3, scmrights.Room{Data: [][]byte{make([]byte, 20)}, Files: 2}, scmrights.Truncation{Control: true, Closed: 2, Room: 20}},
		{"all but one welcome", unix.SOCK_DGRAM, 253, scmrights.Room{Data: [][]byte{make([]byte, 20)}, Files: 252}, scmrights.Truncation{Control: true, Closed: 252, Room: 20}},
		{"both", unix.SOCK_SEQPACKET, 2, scmrights.Room{Data: [][]byte{make([]byte, 3)}, Files: 1}, scmrights.Truncation{Control: true, Closed: 1, Length: 10, Room: 3}},
	}
	for _, row := range rows {
		for _, options := range []string{"", "credentials", "credentials and pidfd"} {
			t.Run(row.name+" "+options, func(t *testing.T) {
				testenv.CheckFDs(t)
				a, b := plainPair(t, row.typ)
				if options != "" {
					must(t, b.PassCredentials(true))
				}
				if strings.Contains(options, "pidfd") {
					needPidfd(t, b)
				}
				f := memfd(t, "m")
				p := packet("ten bytes!")
				for range row.files {
					p.Files = append(p.Files, f)
				}
				mustSend(t, a, p)
				d, err := b.Receive(row.room)
				var cut *scmrights.Truncation
				if !errors.As(err, &cut) || d.Err != err {
					t.Fatalf("%+v, %v", d, err)
				}
				if strings.Contains(options, "pidfd") {
					cut.Closed = row.wants.Closed // into its room one more descriptor fits
				}
				if *cut != row.wants || d.Files != nil || d.Pidfd != nil {
					t.Errorf("%+v with %d files, want %+v", *cut, len(d.Files), row.wants)
				}
				if want := min(10, row.wants.Room); d.N != want {
					t.Errorf("%d bytes, want %d", d.N, want)
				}
				if options != "" && (d.Creds == nil || d.Creds.PID != os.Getpid()) {
					t.Errorf("credentials %+v", d.Creds)
				}
				mustSend(t, a, packet("next", f)) // the socket goes on
				next := mustReceive(t, b, "next", 1)
				checkMemfd(t, next.Files[0], "m")
				if next.Pidfd != nil {
					next.Pidfd.Close()
				}
			})
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func needPidfd(t testing.TB, s *scmrights.Socket) {
	t.Helper()
	err := s.PassPidfd(true)
	if errors.Is(err, scmrights.ErrUnsupported) {
		t.Skipf("needs SO_PASSPIDFD, Linux 6.5: %v", err)
	}
	must(t, err)
}

// TestReceiveWithoutFreeNumbers: with no number left, or too few, the
// descriptors are lost and the receiver hears of it, at each number that may be free.
func TestReceiveWithoutFreeNumbers(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := plainPair(t, typ)
		f := memfd(t, "m")
		for free := range 4 {
			mustSend(t, a, packet("x", f, f, f))
			undo := leaveFree(t, free)
			_, d, err := receiveText(b, 8, 3)
			undo()
			var cut *scmrights.Truncation
			switch {
			case free < 3 && (!errors.As(err, &cut) || !cut.Control || cut.Closed != free || d.N != 1):
				t.Errorf("%d numbers free: %+v, %v", free, d, err)
			case free == 3 && (err != nil || len(d.Files) != 3):
				t.Errorf("%d numbers free: %+v, %v", free, d, err)
			}
			for _, f := range d.Files {
				f.Close()
			}
		}
	})
}

// leaveFree lowers RLIMIT_NOFILE so that n numbers are free. It counts the
// numbers that are in use; the holes among them come first.
func leaveFree(t testing.TB, n int) (undo func()) {
	t.Helper()
	var old unix.Rlimit
	must(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &old))
	limit := 0
	for free := 0; free <= n; limit++ {
		if _, err := unix.FcntlInt(uintptr(limit), unix.F_GETFD, 0); err != nil {
			free++
		}
	}
	limit-- // the number after the n free ones
	must(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(limit), Max: old.Max}, nil))
	return func() { must(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &old, nil)) }
}

// TestReceiveSender: credentials and pidfd name who sent, and asking for a pidfd
// without a number for it does not lose what was sent.
func TestReceiveSender(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := plainPair(t, typ)
		must(t, b.PassCredentials(true))
		needPidfd(t, b)
		f := memfd(t, "m")
		mustSend(t, a, packet("who", f))
		d := mustReceive(t, b, "who", 1)
		if want := (scmrights.Credentials{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}); d.Creds == nil || *d.Creds != want {
			t.Errorf("credentials %+v, want %+v", d.Creds, want)
		}
		if err := unix.PidfdSendSignal(number(t, d.Pidfd), 0, nil, 0); err != nil {
			t.Errorf("the pidfd: %v", err)
		}
		checkMemfd(t, d.Files[0], "m")
		d.Pidfd.Close()
		must(t, b.PassPidfd(false))
		must(t, b.PassCredentials(false))
		mustSend(t, a, packet("who", f))
		d = mustReceive(t, b, "who", 1)
		if d.Creds != nil || d.Pidfd != nil {
			t.Errorf("%+v", d)
		}
		checkMemfd(t, d.Files[0], "m")
	})
}

func TestReceiveWithoutNumberForPidfd(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	testenv.CheckFDs(t)
	a, b := plainPair(t, unix.SOCK_SEQPACKET)
	needPidfd(t, b)
	mustSend(t, a, packet("x", memfd(t, "m")))
	undo := leaveFree(t, 1)
	text, d, err := receiveText(b, 8, 1)
	undo()
	if text != "x" || !errors.Is(err, unix.EMFILE) || !errors.Is(err, scmrights.ErrNoMemory) || d.Err != err || len(d.Files) != 1 || d.Pidfd != nil {
		t.Fatalf("%q, %+v, %v", text, d, err)
	}
	checkMemfd(t, d.Files[0], "m")
}

// TestReceiveEnd: the end is io.EOF, an empty record is not the end, and a reset
// is told after what the peer had sent.
func TestReceiveEnd(t *testing.T) {
	for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
		for _, creds := range []bool{false, true} {
			testenv.CheckFDs(t)
			a, b := plainPair(t, typ)
			must(t, b.PassCredentials(creds))
			mustSend(t, a, packet("last", memfd(t, "m")))
			mustSend(t, b, packet("unread"))
			a.Close()
			checkMemfd(t, mustReceive(t, b, "last", 1).Files[0], "m")
			if _, _, err := receiveText(b, 8, 0); !errors.Is(err, scmrights.ErrPeerGone) || !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("type %d: reset: %v", typ, err)
			}
			for range 2 {
				if _, _, err := receiveText(b, 8, 0); err != io.EOF {
					t.Errorf("type %d: end: %v", typ, err)
				}
			}
		}
	}
	fa, fb := filePair(t, unix.SOCK_SEQPACKET)
	b := open(t, fb)
	for range 2 {
		if _, err := sys.ScmSend(number(t, fa), nil, nil, unix.MSG_NOSIGNAL); err != nil {
			t.Fatal(err)
		}
		mustReceive(t, b, "", 0)
	}
}

// TestReceiveBatch: one call brings what is there, and what became of one record
// is told with that one.
func TestReceiveBatch(t *testing.T) {
	testenv.CheckFDs(t)
	a, b := plainPair(t, unix.SOCK_SEQPACKET)
	must(t, b.PassCredentials(true))
	var packets []scmrights.Packet
	for range 5 {
		packets = append(packets, packet("record", memfd(t, "one"), memfd(t, "two")))
	}
	packets[3] = packet("a longer record", memfd(t, "x"), memfd(t, "y"))
	if n, err := a.SendBatch(packets); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	a.Close()
	rooms := make([]scmrights.Room, 8)
	for i := range rooms {
		rooms[i] = scmrights.Room{Data: [][]byte{make([]byte, 10)}, Files: 2}
	}
	rooms[1].Files = 1
	ds, err := b.ReceiveBatch(rooms)
	if err != nil || len(ds) != 5 {
		t.Fatal(len(ds), err)
	}
	for i, d := range ds {
		var cut *scmrights.Truncation
		switch bad := errors.As(d.Err, &cut); {
		case bad != (i == 1 || i == 3), bad && d.Files != nil:
			t.Errorf("record %d: %+v", i, d)
		case i == 1 && !cut.Control, i == 3 && cut.Length != 15:
			t.Errorf("record %d: %+v", i, cut)
		case !bad:
			if string(rooms[i].Data[0][:d.N]) != "record" || len(d.Files) != 2 || d.Creds == nil {
				t.Fatalf("record %d: %q, %+v", i, rooms[i].Data[0][:d.N], d)
			}
			checkMemfd(t, d.Files[0], "one")
			checkMemfd(t, d.Files[1], "two")
		}
	}
	if ds, err := b.ReceiveBatch(rooms); err != io.EOF {
		t.Errorf("the end: %v, %v", ds, err)
	}
}
