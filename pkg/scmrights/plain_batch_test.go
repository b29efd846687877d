package scmrights_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestSendBatchTellsWhichAndWhy: the kernel hides why a batch stopped; the layer
// does not, and what came before has arrived.
func TestSendBatchTellsWhichAndWhy(t *testing.T) {
	closed := memfd(t, "closed")
	must(t, closed.Close())
	bad := map[string]struct {
		p     func(p scmrights.Packet) scmrights.Packet
		wants error
		errno error
	}{
		"no receiver": {func(p scmrights.Packet) scmrights.Packet { p.To += "-none"; return p }, scmrights.ErrNobody, unix.ENOENT},
		"too long": {func(p scmrights.Packet) scmrights.Packet {
			p.Data = [][]byte{make([]byte, 8<<20)}
			return p
		}, scmrights.ErrTooLong, unix.EMSGSIZE},
		"not open": {func(p scmrights.Packet) scmrights.Packet { p.Files = append(p.Files, numbered(1<<20)); return p }, scmrights.ErrBadFile, unix.EBADF},
		"closed":   {func(p scmrights.Packet) scmrights.Packet { p.Files = append(p.Files, closed); return p }, os.ErrClosed, nil},
		"no process": {func(p scmrights.Packet) scmrights.Packet {
			p.Creds = &scmrights.Credentials{PID: 1 << 30, UID: uint32(os.Getuid())}
			return p
		}, scmrights.ErrNoProcess, unix.ESRCH},
		"too many": {func(p scmrights.Packet) scmrights.Packet {
			for range 254 {
				p.Files = append(p.Files, p.Files[0])
			}
			return p
		}, scmrights.ErrTooMany, nil},
	}
	for name, row := range bad {
		for _, at := range []int{0, 1, 4} {
			t.Run(name, func(t *testing.T) {
				if row.errno == unix.ESRCH {
					testenv.NeedRoot(t)
				}
				testenv.CheckFDs(t)
				path := filepath.Join(t.TempDir(), "r")
				conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
				must(t, err)
				r := open(t, conn)
				fa, _ := filePair(t, unix.SOCK_DGRAM)
				a := open(t, fa)
				f := memfd(t, "m")
				packets := make([]scmrights.Packet, 5)
				for i := range packets {
					packets[i] = packet("x", f)
					packets[i].To = path
				}
				packets[at] = row.p(packets[at])
				n, err := a.SendBatch(packets)
				if n != at || !errors.Is(err, row.wants) || row.errno != nil && !errors.Is(err, row.errno) {
					t.Fatalf("%d sent, %v; want %d and %v", n, err, at, row.wants)
				}
				if want := "packet " + string(rune('0'+at)); !strings.Contains(err.Error(), want) {
					t.Errorf("%v: does not say %s", err, want)
				}
				for range n {
					checkMemfd(t, mustReceive(t, r, "x", 1).Files[0], "m")
				}
				must(t, r.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
				if _, _, err := receiveText(r, 8, 1); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("more arrived than was said: %v", err)
				}
				r.Close()
			})
		}
	}
}

// TestSendBatchWaitsForRoom: more packets than a receiver takes at once, with
// more descriptors than one call carries, arrive in order, none twice.
func TestSendBatchWaitsForRoom(t *testing.T) {
	for _, typ := range []int{unix.SOCK_SEQPACKET, unix.SOCK_DGRAM} {
		testenv.CheckFDs(t)
		a, b := plainPair(t, typ)
		f := memfd(t, "m")
		packets := make([]scmrights.Packet, 600)
		for i := range packets {
			packets[i] = packet(strings.Repeat("x", i+1))
			for range i % 20 {
				packets[i].Files = append(packets[i].Files, f)
			}
		}
		type result struct {
			n   int
			err error
		}
		done := make(chan result, 1)
		go func() {
			n, err := a.SendBatch(packets)
			done <- result{n, err}
		}()
		rooms := make([]scmrights.Room, 7)
		for i := range rooms {
			rooms[i] = scmrights.Room{Data: [][]byte{make([]byte, 1000)}, Files: 19}
		}
		for next := 0; next < len(packets); {
			ds, err := b.ReceiveBatch(rooms)
			must(t, err)
			for _, d := range ds {
				if d.Err != nil || d.N != next+1 || len(d.Files) != next%20 {
					t.Fatalf("record %d: %d bytes, %d files, %v", next, d.N, len(d.Files), d.Err)
				}
				for _, f := range d.Files {
					f.Close()
				}
				next++
			}
		}
		if r := <-done; r.err != nil || r.n != len(packets) {
			t.Errorf("%d sent, %v", r.n, r.err)
		}
		must(t, a.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		n, err := a.SendBatch(packets)
		if n == 0 || n == len(packets) || !errors.Is(err, scmrights.ErrBlocked) {
			t.Errorf("a receiver that stays full: %d sent, %v", n, err)
		}
		for i := range n {
			if d, err := b.Receive(rooms[0]); err != nil || d.N != i+1 {
				t.Fatalf("record %d: %+v, %v", i, d, err)
			} else {
				for _, f := range d.Files {
					f.Close()
				}
			}
		}
		must(t, b.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		if _, err := b.Receive(rooms[0]); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("more arrived than was said: %v", err)
		}
	}
}

// TestBatchOfStream: a short write inside a batch could not be made good.
func TestBatchOfStream(t *testing.T) {
	a, b := plainPair(t, unix.SOCK_STREAM)
	if n, err := a.SendBatch([]scmrights.Packet{packet("x")}); n != 0 || !errors.Is(err, scmrights.ErrUnsupported) {
		t.Error(n, err)
	}
	if _, err := b.ReceiveBatch(make([]scmrights.Room, 1)); !errors.Is(err, scmrights.ErrUnsupported) {
		t.Error(err)
	}
}
