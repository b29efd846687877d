package scmrights_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestHostileRecords: each row is what a worker that was taken over might send.
// The channel ends with the fault in words, and nothing stays open.
func TestHostileRecords(t *testing.T) {
	message := func(seq uint64, body int) []byte { return frame(16, 7, seq, 1, make([]byte, 4+body)) }
	edited := func(b []byte, at int, to byte) []byte {
		b = bytes.Clone(b)
		b[at] = to
		return b
	}
	rows := []struct {
		name  string
		fresh bool // no HELLO and WELCOME before it
		send  [][]byte
		says  string
	}{
		{"rubbish", false, [][]byte{bytes.Repeat([]byte{0xa5}, 100)}, "magic 0xa5a5a5a5"},
		{"one byte", false, [][]byte{{0}}, "a record of 1 bytes, shorter than a frame"},
		{"empty", false, [][]byte{{}}, "an empty record"},
		{"too long", false, [][]byte{message(2, 600)}, "a record of more than 512 bytes"},
		{"64 KiB", false, [][]byte{make([]byte, 64<<10)}, "a record of more than 512 bytes"},
		{"wrong magic", false, [][]byte{edited(message(2, 0), 0, 'X')}, "magic 0x31504858 instead of 0x31504853"},
		{"wrong version", false, [][]byte{edited(message(2, 0), 4, 2)}, "frame version 2, this side speaks 1"},
		{"unknown type", false, [][]byte{edited(message(2, 0), 5, 99)}, "unknown record type 99"},
		{"reserved bytes", false, [][]byte{edited(message(2, 0), 35, 1)}, "MESSAGE with reserved bytes set"},
		{"announces more", false, [][]byte{edited(message(2, 0), 12, 5)}, "MESSAGE of 36 bytes whose frame announces 37"},
		{"announces slots", false, [][]byte{edited(message(2, 0), 6, 1)}, "MESSAGE of 36 bytes whose frame announces 132"},
		{"short message", false, [][]byte{frame(16, 7, 2, 1, []byte{1})}, "MESSAGE with a payload of 1 bytes"},
		{"number skipped", false, [][]byte{message(3, 0)}, "MESSAGE has number 3, expected was 2"},
		{"number repeated", false, [][]byte{message(2, 0), message(2, 0)}, "MESSAGE has number 2, expected was 3"},
		{"wrong epoch", false, [][]byte{frame(16, 6, 2, 1, make([]byte, 4))}, "MESSAGE of epoch 6 in epoch 7"},
		{"acknowledges the unsent", false, [][]byte{frame(16, 7, 2, 9, make([]byte, 4))}, "MESSAGE acknowledges record 9; 1 were sent"},
		{"acknowledges less", false, [][]byte{message(2, 0), frame(16, 7, 3, 0, make([]byte, 4))}, "acknowledges record 0; 1 were sent, 1 acknowledged"},
		{"HELLO twice", false, [][]byte{frame(1, 7, 2, 1, hello)}, "HELLO after the channel was opened"},
		{"HELLO twice at once", true, [][]byte{frame(1, 0, 1, 0, hello), frame(1, 0, 2, 0, hello)}, "HELLO before WELCOME was sent"},
		{"HELLO too short", true, [][]byte{frame(1, 0, 1, 0, hello[:11])}, "HELLO with a payload of 11 bytes instead of 12"},
		{"HELLO of no version", true, [][]byte{frame(1, 0, 1, 0, edited(hello, 2, 0))}, "HELLO with versions 1 to 0"},
		{"message before HELLO", true, [][]byte{frame(16, 0, 1, 0, make([]byte, 4))}, "MESSAGE before HELLO"},
		{"WELCOME", false, [][]byte{frame(2, 7, 2, 1, make([]byte, 8))}, "WELCOME is not for workers to send"},
		{"OFFER", false, [][]byte{frame(3, 7, 2, 1, nil)}, "OFFER is not for workers to send"},
		{"COMMIT", false, [][]byte{frame(4, 7, 2, 1, make([]byte, 8))}, "COMMIT is not for workers to send"},
		{"RELEASED of nothing", false, [][]byte{frame(7, 7, 2, 1, nil)}, "RELEASED with 0 slots and 0 bytes"},
		{"CREDIT too long", false, [][]byte{frame(8, 7, 2, 1, make([]byte, 8))}, "CREDIT with a payload of 8 bytes instead of 4"},
		{"PONG unasked", false, [][]byte{frame(10, 7, 2, 1, make([]byte, 8))}, "PONG 0; 0 were asked for"},
		{"after BYE", false, [][]byte{frame(11, 7, 2, 1, make([]byte, 4)), message(3, 0)}, "MESSAGE after BYE"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			testenv.CheckFDs(t)
			faults := make(chan error, 2)
			start := greeted
			if row.fresh {
				start = rawWorker
			}
			conn, w := start(t, scmrights.Config{Name: "rogue", PID: os.Getpid(), OnFault: func(err error) { faults <- err }})
			for _, b := range row.send {
				w.send(b)
			}
			expectFault(t, conn, row.says)
			if err := <-faults; !strings.Contains(err.Error(), row.says) {
				t.Errorf("OnFault: %v", err)
			}
			if err := conn.Send(1, nil); !errors.Is(err, scmrights.ErrClosed) {
				t.Errorf("Send after a fault: %v", err)
			}
		})
	}
}

// expectFault receives until the channel ends, and looks at the reason.
func expectFault(t *testing.T, conn *scmrights.Conn, says string) {
	t.Helper()
	for {
		_, err := conn.Receive(limit(t))
		if err == nil {
			continue
		}
		var typed *scmrights.Error
		if !errors.As(err, &typed) || !errors.Is(err, scmrights.ErrProtocol) || !strings.Contains(err.Error(), says) {
			t.Errorf("the channel ended with: %v\nwant a protocol fault with: %s", err, says)
		}
		return
	}
}

// TestDescriptorsFromWorker sends what a worker must not send. Where the kernel
// can refuse it (SO_PASSRIGHTS) it never arrives; that is switched off on a
// duplicate of the parent's end to see what happens where the kernel cannot.
func TestDescriptorsFromWorker(t *testing.T) {
	rows := []struct {
		name   string
		rights int
		says   string
	}{
		{"one", 1, "1 descriptors came from the worker"},
		{"two", 2, "2 descriptors came from the worker"},
		{"253", 253, "253 descriptors came from the worker"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			testenv.CheckFDs(t)
			parent, worker, err := scmrights.Pair()
			if err != nil {
				t.Fatal(err)
			}
			defer worker.Close()
			w := raw{t: t, n: int(worker.Fd()), f: worker}
			rights := make([]int, row.rights)
			for i := range rights {
				rights[i] = w.n
			}
			back := duplicate(t, parent)
			conn, err := scmrights.NewConn(parent, scmrights.Config{PID: os.Getpid()})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if passRights, err := unix.GetsockoptInt(back, unix.SOL_SOCKET, unix.SO_PASSRIGHTS); err == nil {
				if passRights != 0 {
					t.Error("SO_PASSRIGHTS is on at the parent's end")
				}
				if err := w.trySend(frame(1, 0, 1, 0, hello), rights...); err != unix.EPERM {
					t.Errorf("sending descriptors to the parent: %v, want EPERM", err)
				}
				if err := unix.SetsockoptInt(back, unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 1); err != nil {
					t.Fatal(err)
				}
			}
			w.send(frame(1, 0, 1, 0, hello), rights...)
			expectFault(t, conn, row.says)
		})
	}
}

// duplicate returns another number for f's socket, closed with the test.
func duplicate(t *testing.T, f *os.File) int {
	t.Helper()
	rc, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := -1
	_ = rc.Control(func(old uintptr) { n, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(n) })
	return n
}

func TestRecordOfAnotherProcess(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := rawWorker(t, scmrights.Config{PID: os.Getppid()})
	w.send(frame(1, 0, 1, 0, hello))
	expectFault(t, conn, "a record of process ")
}

// TestWorkerThatDoesNotRead: the parent's sends end at their limit, and the
// answers to a flood of PINGs end the channel.
func TestWorkerThatDoesNotRead(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{SendTimeout: 30 * time.Millisecond})
	var err error
	for range 10_000 {
		start := time.Now()
		if err = conn.Send(1, make([]byte, 16<<10)); err != nil {
			break
		}
		if d := time.Since(start); d > time.Second {
			t.Fatalf("a send took %v", d)
		}
	}
	if !errors.Is(err, scmrights.ErrBlocked) {
		t.Fatalf("sending to a worker that does not read: %v", err)
	}
	if _, err := conn.Offer(trusted, []scmrights.Item{{Name: "a", Kind: scmrights.KindAttribute, File: file(t, "x")}}); !errors.Is(err, scmrights.ErrBlocked) {
		t.Fatalf("an offer to it: %v", err)
	}
	if b := conn.Ledger(); b.Open != 0 || b.Pipes != 0 {
		t.Errorf("held after an offer that was not sent: %+v", b)
	}
	// Nothing of what was not sent has used up a number.
	last := uint64(1)
	for drained := false; !drained; {
		b, _ := w.receive()
		if seq := binary.LittleEndian.Uint64(b[16:]); seq != last+1 {
			t.Fatalf("record %d after %d", seq, last)
		}
		last++
		drained = conn.Send(2, nil) == nil
	}
	for b, _ := w.receive(); b[32] != 2; b, _ = w.receive() {
		last++
	}
	if err := conn.Ping(); err != nil {
		t.Fatal(err)
	}
	if b, _ := w.receive(); b[5] != 9 || binary.LittleEndian.Uint64(b[16:]) != last+2 || b[32] != 1 {
		t.Errorf("after record %d: %x", last+1, b)
	}
}

func TestPingFlood(t *testing.T) {
	testenv.CheckFDs(t)
	conn, w := greeted(t, scmrights.Config{SendTimeout: 30 * time.Millisecond})
	go func() {
		for seq := uint64(2); ; seq++ {
			if w.trySend(frame(9, 7, seq, 1, make([]byte, 8))) != nil {
				return // the parent has shut the channel
			}
		}
	}()
	expectFault(t, conn, "PING from a worker that does not read the answers")
}

// TestParentWithoutNumbers: the parent itself is out of descriptors when a
// worker pushes some at it; the cut is seen though no descriptor is.
func TestParentWithoutNumbers(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	parent, worker, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	w := raw{t: t, n: int(worker.Fd()), f: worker}
	back := duplicate(t, parent)
	conn, err := scmrights.NewConn(parent, scmrights.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = unix.SetsockoptInt(back, unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 1)
	defer limitNumbers(t, back+1)()
	w.send(frame(1, 0, 1, 0, hello), w.n, w.n)
	expectFault(t, conn, "control messages were cut")
}

// limitNumbers lowers RLIMIT_NOFILE of this process so that no number from n on
// is given out.
func limitNumbers(t *testing.T, n int) (undo func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
	return func() { _ = unix.Prlimit(0, unix.RLIMIT_NOFILE, &old, nil) }
}
