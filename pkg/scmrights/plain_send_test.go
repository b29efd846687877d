package scmrights_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestSendLoopsOnShortWrites: a stream takes a megabyte in many pieces. Every
// byte arrives once, in order, and the descriptors once, with the first.
func TestSendLoopsOnShortWrites(t *testing.T) {
	testenv.CheckFDs(t)
	fa, fb := filePair(t, unix.SOCK_STREAM)
	if err := unix.SetsockoptInt(number(t, fa), unix.SOL_SOCKET, unix.SO_SNDBUF, 8192); err != nil {
		t.Fatal(err)
	}
	a, b := open(t, fa), open(t, fb)
	var p scmrights.Packet
	for i := range 3000 { // more than one call takes
		p.Data = append(p.Data, bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 170), nil)
	}
	p.Files = packet("", memfd(t, "one"), memfd(t, "two")).Files
	sent := make(chan error, 1)
	go func() {
		n, err := a.Send(p)
		if want := 3000 * 340; err == nil && n != want {
			err = errors.New("a wrong count")
		}
		a.Close()
		sent <- err
	}()
	var got []byte
	var files []*os.File
	buf := make([]byte, 64<<10)
	for calls := 0; ; calls++ {
		d, err := b.Receive(scmrights.Room{Data: [][]byte{buf[:1000], buf[1000:]}, Files: 8})
		if err == io.EOF {
			if calls < 10 {
				t.Errorf("it took %d receives: no short write was seen", calls)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Files) != 0 && len(got) != 0 {
			t.Errorf("%d descriptors after %d bytes", len(d.Files), len(got))
		}
		got = append(got, buf[:d.N]...)
		files = append(files, d.Files...)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, bytes.Join(p.Data, nil)) {
		t.Errorf("%d bytes arrived, and not those that were sent", len(got))
	}
	if len(files) != 2 {
		t.Fatalf("%d descriptors arrived, 2 were sent", len(files))
	}
	checkMemfd(t, files[0], "one")
	checkMemfd(t, files[1], "two")
}

// TestSendRecordIsVectored: many buffers are one record, and one record fills
// many buffers.
func TestSendRecordIsVectored(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := plainPair(t, typ)
		mustSend(t, a, scmrights.Packet{Data: [][]byte{[]byte("head"), nil, []byte("-"), []byte("body")}, Files: packet("", memfd(t, "m")).Files})
		room := [][]byte{make([]byte, 2), {}, make([]byte, 5), make([]byte, 9)}
		d, err := b.Receive(scmrights.Room{Data: room, Files: 1})
		if err != nil || d.N != 9 || string(room[0])+string(room[2])+string(room[3][:2]) != "head-body" {
			t.Fatalf("%d bytes, %q, %v", d.N, room, err)
		}
		checkMemfd(t, d.Files[0], "m")
	})
}

// TestSendWaitsUntilDeadline: a peer that does not read is not waited for
// beyond the deadline; a stream says how much had gone.
func TestSendWaitsUntilDeadline(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		a, b := plainPair(t, typ)
		if err := a.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		total := 0
		var err error
		for err == nil {
			var n int
			n, err = a.Send(scmrights.Packet{Data: [][]byte{make([]byte, 50_000)}})
			total += n
		}
		if !errors.Is(err, scmrights.ErrBlocked) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %d bytes: %v", total, err)
		}
		a.SetWriteDeadline(time.Time{})
		received := 0
		for received < total {
			d, err := b.Receive(scmrights.Room{Data: [][]byte{make([]byte, 64<<10)}})
			if err != nil {
				t.Fatalf("after %d of %d bytes: %v", received, total, err)
			}
			received += d.N
		}
		if received != total {
			t.Errorf("%d bytes arrived, %d were said to have gone", received, total)
		}
		mustSend(t, a, packet("again"))
		mustReceive(t, b, "again", 0)
	})
}

// TestReceiveDeadline: so does receiving.
func TestReceiveDeadline(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		_, b := plainPair(t, typ)
		if err := b.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := receiveText(b, 8, 1); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
		time.AfterFunc(20*time.Millisecond, func() { b.Close() })
		b.SetReadDeadline(time.Time{})
		if _, _, err := receiveText(b, 8, 1); !errors.Is(err, scmrights.ErrClosed) {
			t.Errorf("closed while it waited: %v", err)
		}
		if _, err := b.Send(packet("x")); !errors.Is(err, scmrights.ErrClosed) {
			t.Errorf("sending when closed: %v", err)
		}
	})
}

// TestSendToAddress: datagrams find their receiver by path and by abstract name
// and tell where they came from; one that is full is waited for.
func TestSendToAddress(t *testing.T) {
	testenv.CheckFDs(t)
	for _, name := range []string{filepath.Join(t.TempDir(), "r"), "@plain-" + filepath.Base(t.TempDir()) + t.Name()} {
		receiver, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		own := name + "-own"
		sender, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: own, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		r, s := open(t, receiver), open(t, sender)
		const count = 100 // more than net.unix.max_dgram_qlen
		done := make(chan error, 1)
		go func() {
			for range count {
				p := packet("to you", memfd(t, "m"))
				p.To = name
				if _, err := s.Send(p); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for i := range count {
			if i == 0 {
				time.Sleep(20 * time.Millisecond) // it is full by now
			}
			d := mustReceive(t, r, "to you", 1)
			if d.From != own {
				t.Fatalf("from %q, want %q", d.From, own)
			}
			checkMemfd(t, d.Files[0], "m")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		p := packet("late")
		p.To = name
		s.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		for err == nil {
			_, err = s.Send(p)
		}
		if !errors.Is(err, scmrights.ErrBlocked) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a receiver that stays full: %v", err)
		}
		r.Close()
		s.Close()
	}
}

// TestSendRefusesEmpty: what the kernel would drop in silence, or deliver as if
// it were the end, is refused.
func TestSendRefusesEmpty(t *testing.T) {
	f := memfd(t, "m")
	rows := []struct {
		typ   int
		p     scmrights.Packet
		wants error
	}{
		{unix.SOCK_STREAM, packet("", f), scmrights.ErrEmpty},
		{unix.SOCK_SEQPACKET, packet("", f), scmrights.ErrEmpty},
		{unix.SOCK_SEQPACKET, packet(""), scmrights.ErrEmpty},
		{unix.SOCK_SEQPACKET, scmrights.Packet{}, scmrights.ErrEmpty},
		{unix.SOCK_STREAM, packet(""), nil}, // nothing to do
		{unix.SOCK_DGRAM, packet("", f), nil},
		{unix.SOCK_DGRAM, packet(""), nil},
	}
	for i, row := range rows {
		a, b := plainPair(t, row.typ)
		if n, err := a.Send(row.p); n != 0 || !errors.Is(err, row.wants) {
			t.Errorf("row %d: %d, %v", i, n, err)
		}
		if row.wants == nil && row.typ == unix.SOCK_DGRAM {
			for _, f := range mustReceive(t, b, "", len(row.p.Files)).Files {
				checkMemfd(t, f, "m")
			}
		}
		a.Close()
		if row.typ != unix.SOCK_DGRAM {
			if _, _, err := receiveText(b, 8, 1); err != io.EOF {
				t.Errorf("row %d: something arrived: %v", i, err)
			}
		}
	}
	if _, err := scmrights.NewSocket(f); !errors.Is(err, scmrights.ErrNotSocket) {
		t.Errorf("a socket of a memfd: %v", err)
	}
}

// TestSocketOfEverything: *os.File that blocks, net.Conn and syscall.RawConn in,
// and a listener as what is passed.
func TestSocketOfEverything(t *testing.T) {
	testenv.CheckFDs(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	blocking := os.NewFile(uintptr(pair[0]), "blocking")
	other := os.NewFile(uintptr(pair[1]), "other")
	conn, err := net.FileConn(other)
	other.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	a, b := open(t, blocking), open(t, scmrights.Raw(raw))
	if err := b.SetReadDeadline(time.Now()); err != os.ErrNoDeadline {
		t.Errorf("a deadline of a borrowed RawConn: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testenv.Need(t, "a loopback interface", err)
	defer listener.Close()
	mustSend(t, a, scmrights.Packet{Data: bytesOf("l"), Files: packet("").Files})
	mustReceive(t, b, "l", 0)
	p := packet("l")
	p.Files = append(p.Files, listener.(*net.TCPListener), scmrights.Raw(raw))
	mustSend(t, a, p)
	d := mustReceive(t, b, "l", 2)
	same, err := net.FileListener(d.Files[0])
	if err != nil || same.Addr().String() != listener.Addr().String() {
		t.Errorf("%v, %v", same, err)
	}
	same.Close()
	for _, f := range d.Files {
		if flags, err := unix.FcntlInt(uintptr(number(t, f)), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("a received descriptor has flags %d, %v", flags, err)
		}
		f.Close()
	}
	// The blocking file waits with the poller now.
	if err := a.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Error(err)
	}
	if _, _, err := receiveText(a, 1, 0); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // the owner's deadline holds
	if _, _, err := receiveText(b, 1, 0); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
