package scmrights_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
)

// raw is a worker that speaks only what the test says: bytes built by hand,
// without the package's own codec.
type raw struct {
	t *testing.T
	n int // descriptor of the worker's end, the File keeps it
	f *os.File
}

func rawWorker(t *testing.T, cfg scmrights.Config) (*scmrights.Conn, raw) {
	t.Helper()
	conn, worker := dial(t, cfg)
	w := raw{t: t, n: int(worker.Fd()), f: worker}
	return conn, w
}

// greeted is rawWorker after HELLO and WELCOME of epoch 7.
func greeted(t *testing.T, cfg scmrights.Config) (*scmrights.Conn, raw) {
	t.Helper()
	conn, w := rawWorker(t, cfg)
	w.send(frame(1, 0, 1, 0, hello))
	if _, err := conn.Hello(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Welcome(7); err != nil {
		t.Fatal(err)
	}
	if b, _ := w.receive(); len(b) != 40 || b[5] != 2 {
		t.Fatalf("instead of WELCOME: %x", b)
	}
	return conn, w
}

var hello = []byte{1, 0, 1, 0, 0, 0, 0, 0, 250, 0, 0, 0}

// frame builds a record without slots.
func frame(kind byte, epoch uint32, seq, ack uint64, payload []byte) []byte {
	le := binary.LittleEndian
	b := append([]byte("SHP1"), 1, kind, 0, 0)
	b = le.AppendUint32(b, epoch)
	b = le.AppendUint32(b, uint32(len(payload)))
	b = le.AppendUint64(b, seq)
	b = le.AppendUint64(b, ack)
	return append(b, payload...)
}

func (w raw) send(b []byte, rights ...int) {
	w.t.Helper()
	if err := w.trySend(b, rights...); err != nil {
		w.t.Fatal(err)
	}
}

func (w raw) trySend(b []byte, rights ...int) error {
	var control []byte
	if len(rights) != 0 {
		control = unix.UnixRights(rights...)
	}
	// x/sys sends a byte of its own beside descriptors when there is none, on
	// STREAM only; an empty record stays empty here.
	return unix.Sendmsg(w.n, b, control, nil, unix.MSG_NOSIGNAL)
}

// receive waits for one record, at most 5 s, and returns its descriptors.
func (w raw) receive() ([]byte, []int) {
	w.t.Helper()
	if err := unix.SetsockoptTimeval(w.n, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		w.t.Fatal(err)
	}
	buf, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*253))
	n, oobn, _, _, err := unix.Recvmsg(w.n, buf, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		w.t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil {
		w.t.Fatal(err)
	}
	var rights []int
	for i := range messages {
		if messages[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		got, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			w.t.Fatal(err)
		}
		rights = append(rights, got...)
	}
	return buf[:n], rights
}

// offer receives an OFFER, closes what it brought, and returns the write end of
// the receipt pipe.
func (w raw) offer() (pipe *os.File) {
	w.t.Helper()
	b, rights := w.receive()
	if len(b) < 32 || b[5] != 3 || len(rights) < 2 {
		w.t.Fatalf("instead of an OFFER: %x, %d descriptors", b, len(rights))
	}
	for _, n := range rights[:len(rights)-1] {
		unix.Close(n)
	}
	return os.NewFile(uintptr(rights[len(rights)-1]), "receipt")
}

// TestLiveBytes compares what both ends really send with the vectors.
func TestLiveBytes(t *testing.T) {
	want := vectors(t)
	parent, end, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	got := make(chan error, 1)
	go func() {
		p, err := scmrights.Attach(end)
		if err == nil {
			defer p.Close()
			if err = p.Credit(17); err == nil {
				_, err = p.Receive(limit(t))
			}
		}
		got <- err
	}()
	p := raw{t: t, f: parent}
	raw, err := parent.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(n uintptr) { p.n = int(n) })
	if err := unix.SetNonblock(p.n, false); err != nil {
		t.Fatal(err)
	}
	live := func(name string, edit func(want, got []byte)) {
		t.Helper()
		b, _ := p.receive()
		w := bytes.Clone(want[name])
		edit(w, b)
		if !bytes.Equal(b, w) {
			t.Errorf("%s\n got %x\nwant %x", name, b, w)
		}
	}
	live("hello", func(want, got []byte) { copy(want[40:], got[40:]) }) // the credit is this machine's
	p.send(want["welcome"])
	live("credit", func(want, _ []byte) { want[16], want[24] = 2, 1 })
	ping := bytes.Clone(want["ping"])
	ping[16], ping[24] = 2, 2
	p.send(ping)
	live("pong", func(want, _ []byte) { want[16], want[24] = 3, 2 })
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestLiveOffer looks at an OFFER and its receipt byte for byte.
func TestLiveOffer(t *testing.T) {
	conn, w := greeted(t, scmrights.Config{})
	f := file(t, "21500\n")
	grants, err := conn.Offer(trusted, []scmrights.Item{{Name: "cpu_temp", Kind: scmrights.KindAttribute, File: f}})
	if err != nil {
		t.Fatal(err)
	}
	b, rights := w.receive()
	if len(rights) != 2 {
		t.Fatalf("%d descriptors", len(rights))
	}
	var st unix.Stat_t
	if err := unix.Fstat(rights[0], &st); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	slot := append(make([]byte, 0, 96), b[32:48]...) // the token is random
	slot = append(slot, 1, 0, 0, 0)
	slot = le.AppendUint32(slot, st.Mode)
	slot = le.AppendUint64(slot, uint64(st.Dev))
	slot = le.AppendUint64(slot, st.Ino)
	slot = le.AppendUint64(slot, uint64(st.Rdev))
	slot = append(append(slot, 8), "cpu_temp"...)
	slot = append(slot, make([]byte, 96-len(slot))...)
	want := frame(3, 7, 2, 0, slot)
	want[6], want[12] = 1, 0 // one slot, no payload
	if !bytes.Equal(b, want) {
		t.Errorf("OFFER\n got %x\nwant %x", b, want)
	}
	pipe := os.NewFile(uintptr(rights[1]), "receipt")
	receipt := le.AppendUint32([]byte("SHR1\x01\x00\x01\x00"), 7)
	receipt = le.AppendUint64(receipt, 2)
	receipt = append(receipt, 0, 0, 0, 0)
	receipt = le.AppendUint32(receipt, uint32(rights[0]))
	time.AfterFunc(0, func() { _, _ = pipe.Write(receipt); pipe.Close() })
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	if got := grants[0].WorkerFD(); got != int32(rights[0]) {
		t.Errorf("the worker's number is %d, the grant says %d", rights[0], got)
	}
	unix.Close(rights[0])
}
