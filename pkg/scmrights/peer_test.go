package scmrights_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// rawParent attaches a Peer to a parent built by hand, in epoch 7; the parent's
// next record is number 2.
func rawParent(t *testing.T) (raw, *scmrights.Peer) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]) })
	p := raw{t: t, n: pair[0]}
	p.send(frame(2, 7, 1, 0, []byte{1, 0, 0, 0, 0, 0, 0, 0}))
	peer, err := scmrights.Attach(os.NewFile(uintptr(pair[1]), "channel"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	if b, _ := p.receive(); b[5] != 1 {
		t.Fatalf("instead of HELLO: %x", b)
	}
	return p, peer
}

// slotOf describes f as an honest parent would, under this token.
func slotOf(t *testing.T, f *os.File, token byte, kind, mode byte, name string) []byte {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := append(bytes.Repeat([]byte{token}, 16), kind, mode, 0, 0)
	b = le.AppendUint32(b, st.Mode)
	b = le.AppendUint64(b, uint64(st.Dev))
	b = le.AppendUint64(b, st.Ino)
	b = le.AppendUint64(b, uint64(st.Rdev))
	b = append(append(b, byte(len(name))), name...)
	return append(b, make([]byte, 96-len(b))...)
}

// offer sends an OFFER with these slots, the descriptors and a receipt pipe,
// and returns the read end.
func (w raw) sendOffer(seq uint64, slots [][]byte, files ...*os.File) *os.File {
	w.t.Helper()
	r, write, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { r.Close() })
	b := frame(3, 7, seq, 0, bytes.Join(slots, nil))
	b[6] = byte(len(slots))
	copy(b[12:16], []byte{0, 0, 0, 0})
	var rights []int
	for _, f := range files {
		rights = append(rights, int(f.Fd()))
	}
	w.send(b, append(rights, int(write.Fd()))...)
	write.Close()
	return r
}

func verdicts(t *testing.T, r *os.File) (outcome byte, statuses []uint16) {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil || len(b) < 20 {
		t.Fatalf("receipt %x, %v", b, err)
	}
	for s := b[20:]; len(s) >= 8; s = s[8:] {
		statuses = append(statuses, binary.LittleEndian.Uint16(s))
	}
	return b[5], statuses
}

// TestWorkerRefuses: descriptors that are not what their slots say are closed
// and named in the receipt; the others are taken.
func TestWorkerRefuses(t *testing.T) {
	testenv.CheckFDs(t)
	p, peer := rawParent(t)
	a, b := file(t, "a"), file(t, "b")
	r := p.sendOffer(2, [][]byte{
		slotOf(t, a, 1, 1, 0, "good"),
		slotOf(t, a, 2, 3, 0, "a file as directory"),
		slotOf(t, a, 3, 1, 0, "another file"),
		slotOf(t, a, 4, 1, 9, "of a mode that is not known"),
	}, a, a, b, a)
	got := receiveGrants(t, peer)
	if len(got) != 1 || got[0].Name != "good" {
		t.Errorf("taken: %+v", got)
	}
	if outcome, s := verdicts(t, r); outcome != 1 || len(s) != 4 || s[0] != 0 || s[1] != 2 || s[2] != 3 || s[3] != 5 {
		t.Errorf("receipt: outcome %d, statuses %v", outcome, s)
	}
}

// TestTokenTwice: the second copy of a grant is closed and acknowledged as the
// first one was.
func TestTokenTwice(t *testing.T) {
	testenv.CheckFDs(t)
	p, peer := rawParent(t)
	f := file(t, "a")
	s := slotOf(t, f, 1, 1, 0, "a")
	r := p.sendOffer(2, [][]byte{s}, f)
	receiveGrants(t, peer)
	first, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	p.sendOffer(3, [][]byte{slotOf(t, f, 2, 1, 0, "b")}, f)
	receiveGrants(t, peer)
	before, err := testenv.Descriptors()
	if err != nil {
		t.Fatal(err)
	}
	r = p.sendOffer(4, [][]byte{s}, f)
	p.send(frame(5, 7, 5, 0, []byte{2, 0, 0, 0, 0, 0, 0, 0})) // ABORT of record 2
	e, err := peer.Receive(limit(t))
	if err != nil || len(e.Grants) != 0 || len(e.Revoked) != 1 || e.Revoked[0] != "a" {
		t.Fatalf("after the second copy and ABORT: %+v, %v", e, err)
	}
	second, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if first[12] = 4; !bytes.Equal(first, second) {
		t.Errorf("receipts\n%x\n%x", first, second)
	}
	r.Close()
	after, err := testenv.Descriptors()
	if err != nil || len(after) != len(before) {
		t.Errorf("%d descriptors, before %d, %v", len(after), len(before), err)
	}
}

// TestReceiptNobodyReads: when the parent is not waiting any more, the worker
// does not keep what came.
func TestReceiptNobodyReads(t *testing.T) {
	testenv.CheckFDs(t)
	p, peer := rawParent(t)
	f := file(t, "a")
	p.sendOffer(2, [][]byte{slotOf(t, f, 1, 1, 0, "a")}, f).Close()
	p.send(frame(16, 7, 3, 0, []byte{1, 0, 0, 0}))
	e, err := peer.Receive(limit(t))
	if err != nil || e.Message == nil || len(e.Grants) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestFaultsOfTheParent: the worker names them too, and keeps nothing.
func TestFaultsOfTheParent(t *testing.T) {
	f := file(t, "a")
	n := int(f.Fd())
	rows := []struct {
		name   string
		record []byte
		rights []int
		says   string
	}{
		{"rubbish", []byte("rubbish that is longer than a frame"), nil, "magic"},
		{"number", frame(16, 7, 3, 0, make([]byte, 4)), nil, "MESSAGE has number 3, expected was 2"},
		{"epoch", frame(16, 8, 2, 0, make([]byte, 4)), nil, "MESSAGE of epoch 8 in epoch 7"},
		{"WELCOME twice", frame(2, 7, 2, 0, make([]byte, 8)), nil, "WELCOME is not for parents to send now"},
		{"COMMIT", frame(4, 7, 2, 0, make([]byte, 8)), nil, "COMMIT of record 0, of which nothing waits"},
		{"message with descriptors", frame(16, 7, 2, 0, make([]byte, 4)), []int{n, n}, "MESSAGE with 2 descriptors"},
		{"offer of nothing", frame(3, 7, 2, 0, nil), []int{n}, "OFFER with 0 slots and 0 bytes"},
		{"offer without pipe", func() []byte {
			b := frame(3, 7, 2, 0, slotOf(t, f, 1, 1, 0, "a"))
			b[6], b[12] = 1, 0
			return b
		}(), []int{n}, "OFFER with 1 slots and 1 descriptors"},
		{"too long", frame(16, 7, 2, 0, make([]byte, 33<<10)), nil, "a record of more than 32768 bytes"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			testenv.CheckFDs(t)
			p, peer := rawParent(t)
			p.send(row.record, row.rights...)
			_, err := peer.Receive(limit(t))
			if !errors.Is(err, scmrights.ErrProtocol) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v\nwant a protocol fault with: %s", err, row.says)
			}
		})
	}
}

func TestReceiveEndsWithContext(t *testing.T) {
	testenv.CheckFDs(t)
	conn, peer := connect(t, scmrights.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := peer.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := conn.Send(1, nil); err != nil {
		t.Fatal(err)
	}
	if e, err := peer.Receive(limit(t)); err != nil || e.Message == nil {
		t.Fatalf("after a receive that was given up: %+v, %v", e, err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := conn.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := conn.Hello(limit(t)); err != nil {
		t.Fatal("a second look at HELLO:", err)
	}
	conn.Close()
	if _, err := peer.Receive(limit(t)); err != io.EOF {
		t.Fatalf("after the parent's end: %v", err)
	}
}

func TestAttachWithoutParent(t *testing.T) {
	testenv.CheckFDs(t)
	parent, worker, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	parent.Close()
	if _, err := scmrights.Attach(worker); err == nil || !strings.HasPrefix(err.Error(), "scmrights: attach: ") {
		t.Error(err)
	}
}
