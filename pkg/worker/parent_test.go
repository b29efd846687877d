package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lane"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/worker"
)

// patience is how long the tests wait for what must come.
const patience = 5 * time.Second

// parent is the supervisor's half of what a worker sees, in the same process:
// the real hand-over over a real socket pair.
type parent struct {
	t      *testing.T
	conn   *scmrights.Conn
	heard  chan scmrights.Message
	ended  chan error // what run returned
	mu     sync.Mutex
	logged []string
}

type plugin = func(context.Context, *worker.Worker) error

// begin starts a worker up to WELCOME in the first epoch.
func begin(t *testing.T, p plugin) *parent {
	t.Helper()
	return beginIn(context.Background(), t, 1, p)
}

func beginIn(ctx context.Context, t *testing.T, epoch uint32, p plugin) *parent {
	t.Helper()
	up, down, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := scmrights.NewConn(up, scmrights.Config{Name: "worker under test"})
	if err != nil {
		t.Fatal(err)
	}
	s := &parent{t: t, conn: conn, heard: make(chan scmrights.Message, 1024), ended: make(chan error, 1)}
	go func() { s.ended <- worker.RunOn(ctx, down, p, s.log) }()
	if _, err := conn.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Welcome(epoch); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			m, err := conn.Receive(context.Background())
			if err != nil {
				close(s.heard)
				return
			}
			s.heard <- m
		}
	}()
	t.Cleanup(func() { s.conn.Close() })
	return s
}

func (s *parent) log(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logged = append(s.logged, fmt.Sprintf(format, a...))
}

func (s *parent) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.logged...)
}

// grant hands f over under name, and waits for the receipt. f stays the test's.
func (s *parent) grant(name string, kind scmrights.Kind, f *os.File) {
	s.t.Helper()
	item := scmrights.Item{Name: name, Kind: kind, Access: accessOf(s.t, f), File: f}
	grants, err := s.conn.Offer(scmrights.Trusted("a test"), []scmrights.Item{item})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, g := range grants {
		if err := g.Wait(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

func accessOf(t *testing.T, f *os.File) scmrights.Access {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var flags int
	if ctl := raw.Control(func(n uintptr) { flags, err = unix.FcntlInt(n, unix.F_GETFL, 0) }); ctl != nil || err != nil {
		t.Fatal(ctl, err)
	}
	return map[int]scmrights.Access{
		unix.O_RDONLY: scmrights.AccessRead, unix.O_WRONLY: scmrights.AccessWrite, unix.O_RDWR: scmrights.AccessBoth,
	}[flags&unix.O_ACCMODE]
}

func (s *parent) start(st lane.Start) {
	s.t.Helper()
	if st.Worker.ID == 0 {
		st.Worker = lane.StartWorker{ID: 1, Name: "plugin"}
	}
	b, err := st.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	s.send(lane.MsgStart, b)
}

func (s *parent) send(kind uint16, body []byte) {
	s.t.Helper()
	if err := s.conn.Send(kind, body); err != nil {
		s.t.Fatal(err)
	}
}

func (s *parent) stop() { s.t.Helper(); s.send(lane.MsgStop, []byte{0xd0, 7, 0, 0}) }

// expect waits for the next message of this kind; others are passed over.
func (s *parent) expect(kind uint16) scmrights.Message {
	s.t.Helper()
	late := time.After(patience)
	for {
		select {
		case m, open := <-s.heard:
			if !open {
				s.t.Fatalf("the channel ended before a message of kind %d", kind)
			}
			if m.Kind == kind {
				return m
			}
		case <-late:
			s.t.Fatalf("no message of kind %d", kind)
		}
	}
}

// ready waits for READY and confirms it, as the supervisor does once the lanes
// are open.
func (s *parent) ready() {
	s.t.Helper()
	s.expect(lane.MsgReady)
	if err := s.conn.Ping(); err != nil {
		s.t.Fatal(err)
	}
}

// end waits until the worker has returned.
func (s *parent) end() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(patience):
		s.t.Fatal("the worker did not end")
		return nil
	}
}

// memfd is a file with this text; like a sysfs attribute it never waits.
func memfd(t *testing.T, text string) *os.File {
	t.Helper()
	n, err := unix.MemfdCreate("attribute", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(n), "attribute")
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
	return f
}

// broken is a regular file whose pread at 0 gives EIO, as an attribute whose
// device was pulled out does: nothing is mapped at address 0.
func broken(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var b [1]byte
	if _, err := unix.Pread(int(f.Fd()), b[:], 0); !errors.Is(err, unix.EIO) {
		t.Skipf("needs a /proc/self/mem that gives EIO at 0, got %v", err)
	}
	return f
}

func sensor(id uint32, name, grant, decode string) lane.Sensor {
	return lane.Sensor{ID: id, Name: name, Worker: 1, Unit: "C", Grant: grant, Decode: decode}
}
