package scmrights_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

var trusted = scmrights.Trusted("both ends are this test")

// limit is for waits that the test expects to end at once.
func limit(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// connect makes both ends in this process and closes them with the test.
func connect(t testing.TB, cfg scmrights.Config) (*scmrights.Conn, *scmrights.Peer) {
	t.Helper()
	conn, worker := dial(t, cfg)
	attached := make(chan *scmrights.Peer, 1)
	go func() {
		p, err := scmrights.Attach(worker)
		if err != nil {
			t.Error(err)
		}
		attached <- p
	}()
	if _, err := conn.Hello(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Welcome(1); err != nil {
		t.Fatal(err)
	}
	p := <-attached
	if p == nil {
		t.FailNow()
	}
	t.Cleanup(func() { p.Close() })
	return conn, p
}

// dial makes a Conn and leaves the worker's end to the test.
func dial(t testing.TB, cfg scmrights.Config) (*scmrights.Conn, *os.File) {
	t.Helper()
	parent, worker, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := scmrights.NewConn(parent, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		b := conn.Ledger()
		if b.Open != 0 || b.Pipes != 0 || b.Taken != b.Closed+b.Reclaimed {
			t.Errorf("the ledger does not balance after Close: %+v", b)
		}
		worker.Close()
	})
	return conn, worker
}

// file makes a file with this text, opened for reading.
func file(t testing.TB, text string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "attribute")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// receiveGrants receives until grants come, and closes them with the test.
func receiveGrants(t testing.TB, p *scmrights.Peer) []scmrights.Granted {
	t.Helper()
	for {
		e, err := p.Receive(limit(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range e.Grants {
			t.Cleanup(func() { g.Close() })
		}
		if len(e.Grants) != 0 {
			return e.Grants
		}
	}
}

func TestHandOverSeveral(t *testing.T) {
	testenv.CheckFDs(t)
	conn, peer := connect(t, scmrights.Config{PID: os.Getpid()})
	var items []scmrights.Item
	for i := range 3 {
		items = append(items, scmrights.Item{
			Name: fmt.Sprintf("a%d", i), Kind: scmrights.KindAttribute, File: file(t, fmt.Sprintf("value %d", i)),
		})
	}
	grants, err := conn.Offer(trusted, items)
	if err != nil {
		t.Fatal(err)
	}
	got := receiveGrants(t, peer)
	if len(got) != 3 {
		t.Fatalf("%d descriptors arrived", len(got))
	}
	for i, g := range grants {
		if err := g.Wait(limit(t)); err != nil {
			t.Fatal(err)
		}
		if g.State() != scmrights.StateDelivered || g.Latency() <= 0 || g.Name() != got[i].Name {
			t.Errorf("grant %d: %s, %v, %q", i, g.State(), g.Latency(), g.Name())
		}
		buf := make([]byte, 16)
		n, err := got[i].File().ReadAt(buf, 0)
		if want := fmt.Sprintf("value %d", i); err != io.EOF || string(buf[:n]) != want {
			t.Errorf("%s reads %q (%v), want %q", got[i].Name, buf[:n], err, want)
		}
	}
}

func TestMessagesBothWays(t *testing.T) {
	testenv.CheckFDs(t)
	conn, peer := connect(t, scmrights.Config{PID: os.Getpid()})
	if err := conn.Send(1, []byte("start")); err != nil {
		t.Fatal(err)
	}
	e, err := peer.Receive(limit(t))
	if err != nil || e.Message == nil || e.Message.Kind != 1 || string(e.Message.Body) != "start" {
		t.Fatalf("%+v, %v", e, err)
	}
	seq, err := peer.Send(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := conn.Receive(limit(t))
	if err != nil || m.Kind != 1 || m.Seq != seq || len(m.Body) != 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	if err := conn.Send(2, nil); err != nil {
		t.Fatal(err)
	}
	if e, err = peer.Receive(limit(t)); err != nil || e.Acked >= seq {
		t.Fatalf("acknowledged before Ping: %+v, %v", e, err)
	}
	if err := conn.Ping(); err != nil {
		t.Fatal(err)
	}
	if e, err = peer.Receive(limit(t)); err != nil || e.Acked != seq {
		t.Fatalf("after Ping: %+v, %v, want %d acknowledged", e, err, seq)
	}
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Receive(limit(t)); !errors.Is(err, io.EOF) {
		t.Fatalf("after the worker's end: %v", err)
	}
}
