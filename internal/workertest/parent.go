package workertest

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lane"
	"sallyport/pkg/scmrights"
)

// Patience is how long what must come is waited for.
const Patience = time.Minute

// Parent is the supervisor's side of one worker. Its methods fail the test.
type Parent struct {
	Conn  *scmrights.Conn
	Heard chan scmrights.Message // what the worker said; closed at the end of its channel

	t     testing.TB
	ended chan error
}

// In begins a worker in this process, up to WELCOME: run takes the worker's end
// of the channel, and what it returns is the worker's end.
func In(t testing.TB, epoch uint32, run func(channel *os.File) error) *Parent {
	t.Helper()
	return begin(t, epoch, func(channel *os.File) <-chan error {
		ended := make(chan error, 1)
		go func() { ended <- run(channel) }()
		return ended
	})
}

func begin(t testing.TB, epoch uint32, launch func(channel *os.File) <-chan error) *Parent {
	t.Helper()
	up, down, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := scmrights.NewConn(up, scmrights.Config{Name: "worker under test"})
	if err != nil {
		t.Fatal(err)
	}
	p := &Parent{t: t, Conn: conn, Heard: make(chan scmrights.Message, 1024)}
	t.Cleanup(func() { p.Conn.Close() })
	p.ended = make(chan error, 1)
	ended := launch(down)
	go func() { p.ended <- <-ended }()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if _, err := conn.Hello(ctx); err != nil {
		t.Fatal(err)
	}
	if err := conn.Welcome(epoch); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.Heard)
		for {
			m, err := conn.Receive(context.Background())
			if err != nil {
				return
			}
			p.Heard <- m
		}
	}()
	return p
}

// Grant hands f over under name and waits for the receipt. f stays the test's.
func (p *Parent) Grant(name string, kind scmrights.Kind, f *os.File) {
	p.t.Helper()
	item := scmrights.Item{Name: name, Kind: kind, Access: accessOf(p.t, f), File: f}
	grants, err := p.Conn.Offer(scmrights.Trusted("a test"), []scmrights.Item{item})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, g := range grants {
		if err := g.Wait(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
}

func accessOf(t testing.TB, f *os.File) scmrights.Access {
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

// Start sends START. A worker without a number is number 1, "plugin".
func (p *Parent) Start(s lane.Start) {
	p.t.Helper()
	if s.Worker.ID == 0 {
		s.Worker = lane.StartWorker{ID: 1, Name: "plugin"}
	}
	b, err := s.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	p.Send(lane.MsgStart, b)
}

// Send sends one message.
func (p *Parent) Send(kind uint16, body []byte) {
	p.t.Helper()
	if err := p.Conn.Send(kind, body); err != nil {
		p.t.Fatal(err)
	}
}

// Stop says STOP with a grace of 2 s, which nobody enforces here.
func (p *Parent) Stop() {
	p.t.Helper()
	p.Send(lane.MsgStop, []byte{0xd0, 0x07, 0, 0})
}

// Expect waits for the next message of this kind; others are passed over.
func (p *Parent) Expect(kind uint16) scmrights.Message {
	p.t.Helper()
	late := time.After(Patience)
	for {
		select {
		case m, open := <-p.Heard:
			if !open {
				p.t.Fatalf("the channel ended before a message of kind %d", kind)
			}
			if m.Kind == kind {
				return m
			}
		case <-late:
			p.t.Fatalf("no message of kind %d", kind)
		}
	}
}

// Ready waits for READY and confirms it, as the supervisor does once the lanes
// are open.
func (p *Parent) Ready() {
	p.t.Helper()
	p.Expect(lane.MsgReady)
	if err := p.Conn.Ping(); err != nil {
		p.t.Fatal(err)
	}
}

// End waits until the worker has ended, and gives its error.
func (p *Parent) End() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(Patience):
		p.t.Fatal("the worker did not end")
		return nil
	}
}

// Memfd is a file with this text; like a sysfs attribute it never waits.
func Memfd(t testing.TB, text string) *os.File {
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

// Sensor is a sensor of worker 1, in degrees C.
func Sensor(id uint32, name, grant, decode string) lane.Sensor {
	return lane.Sensor{ID: id, Name: name, Worker: 1, Unit: "C", Grant: grant, Decode: decode}
}
