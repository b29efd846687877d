package scmrights_test

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// small makes a channel whose worker end is blocking, as small peers have it.
func small(t *testing.T) (*scmrights.Conn, *os.File) {
	t.Helper()
	parent, end, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := scmrights.NewConn(parent, scmrights.Config{Name: "small", Resends: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); end.Close() })
	return conn, end
}

// TestOfferedAnsweredShort: no HELLO, one OFFER, one byte.
func TestOfferedAnsweredShort(t *testing.T) {
	testenv.CheckFDs(t)
	conn, end := small(t)
	grants, err := conn.Offer(trusted, append(attribute(t, "a", scmrights.ModeMove), attribute(t, "b", scmrights.ModeShare)...))
	if err != nil {
		t.Fatal(err)
	}
	o, err := scmrights.ReceiveOffer(t.Context(), end)
	if err != nil {
		t.Fatal(err)
	}
	if names := o.Names(); !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("names %q", names)
	}
	if s := grants[1].State(); s != scmrights.StateSent {
		t.Errorf("before the receipt: %s", s)
	}
	for range 2 {
		if err := o.Receipt(); err != nil {
			t.Error(err)
		}
	}
	for _, g := range grants {
		if err := g.Wait(limit(t)); err != nil || g.WorkerFD() != -1 {
			t.Errorf("%s: %v, number %d", g.Name(), err, g.WorkerFD())
		}
	}
	files := o.Granted()
	if len(files) != 2 || len(o.Granted()) != 0 {
		t.Fatalf("%d files, and again %d", len(files), len(o.Granted()))
	}
	for _, f := range files {
		f.Close()
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

// TestReceiveOfferWaits: a blocking end waits in the kernel, without the poller.
func TestReceiveOfferWaits(t *testing.T) {
	testenv.CheckFDs(t)
	conn, end := small(t)
	type result struct {
		o   *scmrights.Offered
		err error
	}
	got := make(chan result, 1)
	go func() {
		o, err := scmrights.ReceiveOffer(context.Background(), end)
		got <- result{o, err}
	}()
	select {
	case r := <-got:
		t.Fatalf("before the offer: %v", r.err)
	case <-time.After(50 * time.Millisecond):
	}
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove))
	if err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.err != nil {
		t.Fatal(r.err)
	}
	if err := r.o.Receipt(); err != nil {
		t.Error(err)
	}
	if err := grants[0].Wait(limit(t)); err != nil {
		t.Error(err)
	}
	if err := r.o.Close(); err != nil {
		t.Error(err)
	}
}

// TestOfferedClosedIsLost: who closes without a receipt has taken nothing, also
// when an epoch, a HELLO and everything else is missing.
func TestOfferedClosedIsLost(t *testing.T) {
	testenv.CheckFDs(t)
	conn, end := small(t)
	grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove))
	if err != nil {
		t.Fatal(err)
	}
	o, err := scmrights.ReceiveOffer(t.Context(), end)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := grants[0].Wait(limit(t)); !errors.Is(err, scmrights.ErrLost) {
		t.Error(err)
	}
}

// TestReceiveOfferEnds: the end of the channel, and the end of patience.
func TestReceiveOfferEnds(t *testing.T) {
	testenv.CheckFDs(t)
	conn, end := small(t)
	if err := unix.SetNonblock(int(end.Fd()), true); err != nil {
		t.Fatal(err)
	}
	number, err := unix.FcntlInt(end.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(number, true); err != nil {
		t.Fatal(err)
	}
	polled := os.NewFile(uintptr(number), "polled")
	defer polled.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := scmrights.ReceiveOffer(ctx, polled); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	conn.Close()
	if _, err := scmrights.ReceiveOffer(t.Context(), polled); err != io.EOF {
		t.Error(err)
	}
}

// TestReceiveOfferRefusesLies: fewer descriptors than slots, another kind than
// announced, bytes that are no record. What came is closed.
func TestReceiveOfferRefusesLies(t *testing.T) {
	for name, lie := range map[string]func(t *testing.T, parent int, null, pipe int) []int{
		"no pipe":    func(_ *testing.T, _ int, null, _ int) []int { return []int{null} },
		"one more":   func(_ *testing.T, _ int, null, pipe int) []int { return []int{null, null, pipe} },
		"other kind": func(_ *testing.T, _ int, _, pipe int) []int { return []int{pipe, pipe} },
	} {
		t.Run(name, func(t *testing.T) {
			testenv.CheckFDs(t)
			conn, end := small(t)
			record := offerBytes(t, conn, end)
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			var pipe [2]int
			if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			null, err := unix.Open("/proc/self/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			rights := lie(t, pair[0], null, pipe[1])
			if err := unix.Sendmsg(pair[0], record, unix.UnixRights(rights...), nil, 0); err != nil {
				t.Fatal(err)
			}
			small := os.NewFile(uintptr(pair[1]), "lied to")
			if _, err := scmrights.ReceiveOffer(t.Context(), small); !errors.Is(err, scmrights.ErrProtocol) {
				t.Errorf("%v", err)
			}
			small.Close()
			for _, n := range []int{pair[0], pipe[0], pipe[1], null} {
				unix.Close(n)
			}
		})
	}
}

// offerBytes is a true OFFER of one attribute, as it is on the wire.
func offerBytes(t *testing.T, conn *scmrights.Conn, end *os.File) []byte {
	t.Helper()
	if _, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	control := make([]byte, unix.CmsgSpace(8))
	n, c, _, _, err := unix.Recvmsg(int(end.Fd()), buf, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:c])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			for _, fd := range fds {
				unix.Close(fd)
			}
		}
	}
	return buf[:n]
}
