package sdktest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
)

// raw is a parent that sends only what the test says: records built by hand.
type raw struct {
	*peer
	n   int // descriptor of the parent's end; the File keeps it
	f   *os.File
	seq uint64
}

// rawParent starts the peer of level 2 and goes as far as WELCOME of epoch 7.
func rawParent(t *testing.T, l language, env ...string) *raw {
	t.Helper()
	testenv.CheckFDs(t)
	p, parent := start(t, l, "peer", env...)
	t.Cleanup(func() { parent.Close() })
	r := &raw{peer: p, f: parent, n: int(parent.Fd())}
	if err := unix.SetsockoptTimeval(r.n, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(r.n, false); err != nil {
		t.Fatal(err)
	}
	if b := r.receive(); len(b) != 44 || b[5] != 1 {
		t.Fatalf("instead of HELLO: %x", b)
	}
	r.send(2, []byte{1, 0, 0, 0, 0, 0, 0, 0}, nil)
	return r
}

var le = binary.LittleEndian

func (r *raw) send(kind byte, payload []byte, slots [][]byte, rights ...int) uint64 {
	r.t.Helper()
	r.seq++
	b := append([]byte("SHP1"), 1, kind)
	b = le.AppendUint16(b, uint16(len(slots)))
	b = le.AppendUint32(b, 7)
	b = le.AppendUint32(b, uint32(len(payload)))
	b = le.AppendUint64(b, r.seq)
	b = le.AppendUint64(b, 0)
	b = append(b, bytes.Join(slots, nil)...)
	var control []byte
	if len(rights) != 0 {
		control = unix.UnixRights(rights...)
	}
	if err := unix.Sendmsg(r.n, append(b, payload...), control, nil, unix.MSG_NOSIGNAL); err != nil {
		r.t.Fatal(err)
	}
	return r.seq
}

func (r *raw) receive() []byte {
	r.t.Helper()
	buf := make([]byte, 4096)
	for {
		n, _, _, _, err := unix.Recvmsg(r.n, buf, make([]byte, unix.CmsgSpace(unix.SizeofUcred)), 0)
		if err == unix.ECONNRESET || err == unix.EINTR {
			continue
		}
		if err != nil {
			r.t.Fatal(err)
		}
		return buf[:n]
	}
}

// expectRecord waits for a record of this type; CREDITs are passed over.
func (r *raw) expectRecord(kind byte) []byte {
	r.t.Helper()
	for {
		b := r.receive()
		if len(b) < 32 {
			r.t.Fatalf("the channel ended before a record of type %d", kind)
		}
		if b[5] == kind {
			return b
		}
		if b[5] != 8 {
			r.t.Fatalf("instead of type %d: %x", kind, b)
		}
	}
}

func tokenOf(n byte) []byte { return bytes.Repeat([]byte{n}, 16) }

// slotOf describes f; change edits the 96 bytes.
func (r *raw) slotOf(f *os.File, token byte, mode byte, name string, change ...func([]byte)) []byte {
	r.t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		r.t.Fatal(err)
	}
	b := append(tokenOf(token), 12, mode, 2, 0)
	b = le.AppendUint32(b, st.Mode)
	b = le.AppendUint64(b, uint64(st.Dev))
	b = le.AppendUint64(b, st.Ino)
	b = le.AppendUint64(b, uint64(st.Rdev))
	b = append(append(b, byte(len(name))), name...)
	b = append(b, make([]byte, 96-len(b))...)
	for _, c := range change {
		c(b)
	}
	return b
}

type verdict struct {
	status uint16
	number int32
}

// offerRaw sends an OFFER of f once for each slot, and returns what the receipt says.
func (r *raw) offerRaw(f *os.File, slots ...[]byte) (uint64, []verdict) {
	r.t.Helper()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		r.t.Fatal(err)
	}
	var rights []int
	for range slots {
		rights = append(rights, int(f.Fd()))
	}
	seq := r.send(3, nil, slots, append(rights, pipe[1])...)
	unix.Close(pipe[1])
	end := os.NewFile(uintptr(pipe[0]), "receipt")
	defer end.Close()
	b, err := io.ReadAll(end)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(b) == 0 {
		return seq, nil
	}
	head := append([]byte("SHR1\x01"), b[5])
	head = le.AppendUint16(head, uint16(len(slots)))
	head = le.AppendUint64(le.AppendUint32(head, 7), seq)
	if len(b) != 20+8*len(slots) || !bytes.Equal(b[:20], head) {
		r.t.Fatalf("receipt %x, want %x and %d slots", b, head, len(slots))
	}
	var said []verdict
	for b = b[20:]; len(b) != 0; b = b[8:] {
		said = append(said, verdict{le.Uint16(b), int32(le.Uint32(b[4:]))})
	}
	return seq, said
}

func (r *raw) reportRaw() report {
	r.t.Helper()
	r.send(16, []byte{byte(msgReport), 0, 0, 0}, nil)
	for {
		b := r.receive()
		if m := reportForm.FindSubmatch(b[min(36, len(b)):]); m != nil {
			var p report
			if _, err := fmt.Sscanf(string(m[0]), "verified %d wrong %d held %d open %d", &p.verified, &p.wrong, &p.held, &p.open); err != nil {
				r.t.Fatal(err)
			}
			return p
		}
		if len(b) < 32 || b[5] != 8 && b[5] != 7 {
			r.t.Fatalf("instead of a report: %x", b)
		}
	}
}

func (r *raw) keep() { r.send(16, []byte{byte(msgKeep), 0, 0, 0, 1}, nil) }

// TestComparesSlots: a descriptor that is not what its slot says goes back,
// with the reason.
func TestComparesSlots(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		r := rawParent(t, l)
		before := r.reportRaw()
		f := memfd(t, "content of x\n")
		defer f.Close()
		_, got := r.offerRaw(f,
			r.slotOf(f, 1, 0, "x"),
			r.slotOf(f, 2, 0, "x", func(b []byte) { b[32]++ }),   // st_ino
			r.slotOf(f, 3, 0, "x", func(b []byte) { b[24]++ }),   // st_dev
			r.slotOf(f, 4, 0, "x", func(b []byte) { b[40]++ }),   // st_rdev
			r.slotOf(f, 5, 0, "x", func(b []byte) { b[16] = 3 }), // a directory, it says
			r.slotOf(f, 6, 0, "x", func(b []byte) { b[21] ^= 0xc0 }),
			r.slotOf(f, 7, 0, "x", func(b []byte) { b[20] ^= 0o22 }), // permission bits may change
			r.slotOf(f, 8, 4, "x"),
			r.slotOf(f, 1, 0, "x")) // the first token again
		want := []uint16{0, 3, 3, 3, 2, 3, 0, 5, 0}
		for i, v := range got {
			if v.status != want[i] || v.number < 0 != (want[i] != 0) {
				t.Errorf("slot %d: status %d, descriptor %d, want status %d", i, v.status, v.number, want[i])
			}
		}
		if len(got) != len(want) || got[0].number != got[8].number {
			t.Errorf("receipt %v", got)
		}
		r.expectRecord(7)
		if after := r.reportRaw(); after.verified != 2 || after.wrong != 0 || after.open != before.open {
			t.Errorf("the peer says %+v, before %+v", after, before)
		}
	})
}

// TestKnownToken: the second OFFER of a token gets the same answer, brings no
// second descriptor and is not shown again.
func TestKnownToken(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		r := rawParent(t, l)
		r.keep()
		f := memfd(t, "content of x\n")
		defer f.Close()
		_, first := r.offerRaw(f, r.slotOf(f, 1, 0, "x"))
		before := r.reportRaw()
		for range 20 {
			if _, again := r.offerRaw(f, r.slotOf(f, 1, 0, "x")); len(again) != 1 || again[0] != first[0] || again[0].status != 0 {
				t.Fatalf("first %v, then %v", first, again)
			}
		}
		if after := r.reportRaw(); after != before || after.verified != 1 {
			t.Errorf("the peer says %+v, before %+v", after, before)
		}
	})
}

// TestTakesItsLimit: of more slots than a peer has room for it takes the first.
func TestTakesItsLimit(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		r := rawParent(t, l, "PEER_LIMIT=2")
		r.keep()
		f := memfd(t, "content of x\n")
		defer f.Close()
		before := r.reportRaw()
		_, got := r.offerRaw(f, r.slotOf(f, 1, 0, "x"), r.slotOf(f, 2, 2, "x"), r.slotOf(f, 3, 0, "x"), r.slotOf(f, 1, 0, "x"))
		if len(got) != 4 || got[0].status != 0 || got[1].status != 0 || got[2] != (verdict{4, -1}) || got[3] != got[0] {
			t.Errorf("receipt %v", got)
		}
		if b := r.expectRecord(8); le.Uint32(b[32:]) != 0 {
			t.Errorf("CREDIT %x", b)
		}
		if p := r.reportRaw(); p.held != 1 || p.open != before.open+2 {
			t.Errorf("the peer says %+v, before %+v", p, before)
		}
	})
}

// TestNobodyReads: when the receipt cannot be written, nothing is kept or shown.
func TestNobodyReads(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		r := rawParent(t, l)
		r.keep()
		f := memfd(t, "content of x\n")
		defer f.Close()
		before := r.reportRaw()
		if err := r.cmd.Process.Signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		stopped(t, r.cmd.Process.Pid)
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		r.send(3, nil, [][]byte{r.slotOf(f, 1, 0, "x"), r.slotOf(f, 2, 2, "x")}, int(f.Fd()), int(f.Fd()), pipe[1])
		unix.Close(pipe[0])
		unix.Close(pipe[1])
		if err := r.cmd.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if p := r.reportRaw(); p != before {
			t.Errorf("the peer says %+v, before %+v", p, before)
		}
	})
}

// TestExclusive: nothing is shown before COMMIT, and nothing is left after ABORT.
func TestExclusive(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		r := rawParent(t, l)
		r.keep()
		f := memfd(t, "content of x\n")
		defer f.Close()
		before := r.reportRaw()
		seq, got := r.offerRaw(f, r.slotOf(f, 1, 2, "x"), r.slotOf(f, 2, 0, "x"))
		if len(got) != 2 || got[0].status != 0 || got[0].number < 0 {
			t.Fatalf("receipt %v", got)
		}
		if p := r.reportRaw(); p.held != 1 || p.verified != 1 || p.open != before.open+2 {
			t.Errorf("before COMMIT the peer says %+v", p)
		}
		other, _ := r.offerRaw(f, r.slotOf(f, 3, 2, "x"))
		r.send(4, le.AppendUint64(nil, seq), nil)
		if p := r.reportRaw(); p.held != 2 || p.verified != 2 || p.open != before.open+3 {
			t.Errorf("after COMMIT the peer says %+v", p)
		}
		r.send(5, le.AppendUint64(nil, other), nil)
		if p := r.reportRaw(); p.held != 2 || p.verified != 2 || p.open != before.open+2 {
			t.Errorf("after ABORT the peer says %+v", p)
		}
		r.send(5, le.AppendUint64(nil, seq), nil)
		r.send(5, le.AppendUint64(nil, 999), nil) // of nothing
		if p := r.reportRaw(); p.held != 0 || p.open != before.open {
			t.Errorf("after ABORT of what was committed the peer says %+v", p)
		}
	})
}

// TestRevoke: revoked descriptors are closed and reported, five a record;
// unknown tokens are passed over.
func TestRevoke(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		r := rawParent(t, l)
		r.keep()
		f := memfd(t, "content of x\n")
		defer f.Close()
		before := r.reportRaw()
		var slots, blank [][]byte
		for i := range byte(7) {
			slots = append(slots, r.slotOf(f, i+1, 3, "x"))
			blank = append(blank, append(tokenOf(i+1), make([]byte, 80)...))
		}
		r.offerRaw(f, slots...)
		if p := r.reportRaw(); p.held != 7 {
			t.Fatalf("the peer says %+v", p)
		}
		revoked := append(slots, r.slotOf(f, 77, 3, "never seen"))
		r.send(6, le.AppendUint32(nil, 2000), revoked)
		five, two := r.expectRecord(7), r.expectRecord(7)
		if !bytes.Equal(five[32:], bytes.Join(blank[:5], nil)) || !bytes.Equal(two[32:], bytes.Join(blank[5:], nil)) {
			t.Errorf("RELEASED\n%x\n%x", five, two)
		}
		r.send(6, le.AppendUint32(nil, 2000), slots[:1]) // again: nothing is there
		if p := r.reportRaw(); p.held != 0 || p.open != before.open {
			t.Errorf("the peer says %+v, before %+v", p, before)
		}
	})
}

// TestFaults: a peer whose parent breaks the protocol ends, names the check
// that failed, and does so at once.
func TestFaults(t *testing.T) {
	f := memfd(t, "content of x\n")
	defer f.Close()
	n := int(f.Fd())
	for word, send := range map[string]func(*raw){
		"seq":       func(r *raw) { r.seq++; r.send(9, make([]byte, 8), nil) },
		"direction": func(r *raw) { r.send(8, make([]byte, 4), nil) },
		"commit":    func(r *raw) { r.send(4, make([]byte, 8), nil) },
		"payload":   func(r *raw) { r.send(10, []byte{1, 0, 0, 0, 0, 0, 0, 0}, nil) }, // a PONG that was not asked for
		"rights":    func(r *raw) { r.send(9, make([]byte, 8), nil, n) },
		"rights ":   func(r *raw) { r.send(3, nil, [][]byte{r.slotOf(f, 1, 0, "x")}, n) },
		"rights  ":  func(r *raw) { r.send(3, nil, [][]byte{r.slotOf(f, 1, 0, "x")}, n, n, n) },
		"length":    func(r *raw) { r.send(16, make([]byte, 33<<10), nil) },
	} {
		everyLanguage(t, func(t *testing.T, l language) {
			r := rawParent(t, l)
			send(r)
			if code := r.wait(); code != 3 || r.errors.String() != "fault "+strings.TrimSpace(word)+"\n" {
				t.Errorf("%s: exit %d, %q", word, code, r.errors.String())
			}
		})
	}
}

// TestParentGone: the end of the channel ends a peer, in good order.
func TestParentGone(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		r := rawParent(t, l)
		r.send(9, []byte{1, 0, 0, 0, 0, 0, 0, 0}, nil) // its PONG stays unread
		r.f.Close()
		if code := r.wait(); code != 0 || r.errors.Len() != 0 {
			t.Errorf("exit %d, %q", code, r.errors.String())
		}
	})
}
