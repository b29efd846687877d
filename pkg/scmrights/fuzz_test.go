package scmrights_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
)

// The fuzzers here run a live channel for every input. Their oracle is the
// descriptor table: as many open files after the input as before it.

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// fuzzPair is Pair with the numbers of both ends. The worker's is blocking and
// the caller's to close. The parent's end accepts descriptors, as on kernels
// that cannot refuse them, once admit was called.
func fuzzPair(t *testing.T) (parent *os.File, worker int, admit func()) {
	t.Helper()
	parent, end, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := parent.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	copied := -1
	_ = raw.Control(func(n uintptr) { copied, err = unix.FcntlInt(n, unix.F_DUPFD_CLOEXEC, 3) })
	if err != nil {
		t.Fatal(err)
	}
	end2, err := unix.FcntlInt(end.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	end.Close()
	return parent, end2, func() {
		_ = unix.SetsockoptInt(copied, unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 1) // older kernels have no such option
		unix.Close(copied)
	}
}

// fuzzRecords cuts an input into records: a length of two bytes, then so many.
// With fixed, what every record must have is put right, so that the fuzzer gets
// behind the first checks: magic, version, epoch, number, length.
func fuzzRecords(input []byte, fixed bool, seq, ack uint64) [][]byte {
	le := binary.LittleEndian
	var all [][]byte
	for len(input) >= 2 && len(all) < 16 {
		n := min(int(le.Uint16(input)), len(input)-2)
		b := bytes.Clone(input[2 : 2+n])
		input = input[2+n:]
		if fixed && len(b) >= 32 {
			copy(b, "SHP1\x01")
			le.PutUint32(b[8:], 7)
			if slots := int(le.Uint16(b[6:])); 32+96*slots <= len(b) {
				le.PutUint32(b[12:], uint32(len(b)-32-96*slots))
			}
			le.PutUint64(b[16:], seq)
			le.PutUint64(b[24:], min(le.Uint64(b[24:]), ack))
			seq++
		}
		all = append(all, b)
	}
	return all
}

// addRecords seeds a fuzzer with the vectors, alone and in a row.
func addRecords(f *testing.F, add func(input []byte)) {
	var row []byte
	all := vectors(f)
	for _, name := range []string{"offer", "commit", "abort", "revoke", "released", "credit", "ping", "pong", "message", "bye", "hello", "welcome"} {
		one := append(binary.LittleEndian.AppendUint16(nil, uint16(len(all[name]))), all[name]...)
		add(one)
		row = append(row, one...)
	}
	add(row)
}

// FuzzFromWorker: whatever a worker sends, with however many descriptors, the
// parent keeps none of them.
func FuzzFromWorker(f *testing.F) {
	addRecords(f, func(b []byte) {
		f.Add(b, true, uint8(0))
		f.Add(b, false, uint8(2))
	})
	f.Fuzz(func(t *testing.T, input []byte, fixed bool, rights uint8) {
		before := openFiles(t)
		parent, worker, admit := fuzzPair(t)
		conn, err := scmrights.NewConn(parent, scmrights.Config{PID: os.Getpid(), SendTimeout: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		admit()
		if fixed {
			_ = unix.Sendmsg(worker, frame(1, 0, 1, 0, hello), nil, nil, unix.MSG_NOSIGNAL)
			if _, err := conn.Hello(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(conn.Welcome(7), conn.Ping()); err != nil {
				t.Fatal(err)
			}
		}
		var control []byte
		if rights %= 4; rights != 0 {
			control = unix.UnixRights(slices.Repeat([]int{worker}, int(rights))...)
		}
		for _, b := range fuzzRecords(input, fixed, 2, 2) {
			_ = unix.Sendmsg(worker, b, control, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		}
		_ = unix.Shutdown(worker, unix.SHUT_WR)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for err == nil {
			_, err = conn.Receive(ctx)
		}
		if ctx.Err() != nil {
			t.Error("the end of the channel was not seen")
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		unix.Close(worker)
		if after := openFiles(t); after != before {
			t.Errorf("%d descriptors, before %d", after, before)
		}
	})
}

// FuzzFromParent: a worker owns or closes every descriptor that came with
// whatever its parent sent.
func FuzzFromParent(f *testing.F) {
	addRecords(f, func(b []byte) {
		f.Add(b, true, uint8(3))
		f.Add(b, true, uint8(2))
		f.Add(b, false, uint8(1))
	})
	f.Fuzz(func(t *testing.T, input []byte, fixed bool, rights uint8) {
		before := openFiles(t)
		parent, worker, admit := fuzzPair(t)
		admit()
		send := func(b []byte, numbers ...int) {
			var control []byte
			if len(numbers) != 0 {
				control = unix.UnixRights(numbers...)
			}
			_ = withNumber(parent, func(n int) error {
				return unix.Sendmsg(n, b, control, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			})
		}
		send(frame(2, 7, 1, 0, []byte{1, 0, 0, 0, 0, 0, 0, 0}))
		peer, err := scmrights.Attach(os.NewFile(uintptr(worker), "channel"))
		if err != nil {
			t.Fatal(err)
		}
		var pipes []int
		for _, b := range fuzzRecords(input, fixed, 2, 2) {
			var p [2]int
			if rights%4 == 0 || unix.Pipe2(p[:], unix.O_CLOEXEC) != nil {
				send(b)
				continue
			}
			if fixed {
				describe(b, p[0])
			}
			send(b, append(slices.Repeat([]int{p[0]}, int(rights%4)-1), p[1])...)
			unix.Close(p[1])
			pipes = append(pipes, p[0])
		}
		parent.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for err == nil {
			var e scmrights.Event
			e, err = peer.Receive(ctx)
			for _, g := range e.Grants {
				g.Close()
			}
		}
		if ctx.Err() != nil {
			t.Error("the end of the channel was not seen")
		}
		if err := peer.Close(); err != nil {
			t.Error(err)
		}
		for _, n := range pipes {
			unix.Close(n)
		}
		if after := openFiles(t); after != before {
			t.Errorf("%d descriptors, before %d", after, before)
		}
	})
}

// withNumber calls use with the number of f.
func withNumber(f *os.File, use func(n int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var useErr error
	return errors.Join(raw.Control(func(n uintptr) { useErr = use(int(n)) }), useErr)
}

// describe makes the slots of an OFFER fit descriptor n, a pipe.
func describe(b []byte, n int) {
	var st unix.Stat_t
	if len(b) < 32 || b[5] != 3 || unix.Fstat(n, &st) != nil {
		return
	}
	le := binary.LittleEndian
	for s := b[32:]; len(s) >= 96; s = s[96:] {
		s[16] = 14
		le.PutUint32(s[20:], st.Mode)
		le.PutUint64(s[24:], uint64(st.Dev))
		le.PutUint64(s[32:], st.Ino)
		le.PutUint64(s[40:], uint64(st.Rdev))
	}
}

// FuzzReceiptPipe: whatever comes out of the receipt pipe, every grant ends,
// as one thing, and the parent's copies add up.
func FuzzReceiptPipe(f *testing.F) {
	for name, b := range vectors(f) {
		f.Add(b, name == "receipt-some")
	}
	f.Add(make([]byte, 4097), false)
	f.Fuzz(func(t *testing.T, receipt []byte, fixed bool) {
		before := openFiles(t)
		parent, worker, admit := fuzzPair(t)
		admit()
		conn, err := scmrights.NewConn(parent, scmrights.Config{Resends: -1})
		if err != nil {
			t.Fatal(err)
		}
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		item := scmrights.Item{Kind: scmrights.KindOther, Mode: scmrights.ModeMove, File: null, Name: "a"}
		other := item
		other.Name, other.Mode = "b", scmrights.ModeShare
		grants, err := conn.Offer(trusted, []scmrights.Item{item, other})
		if err != nil {
			t.Fatal(err)
		}
		null.Close()
		if fixed && len(receipt) >= 20 {
			copy(receipt, "SHR1\x01")
			copy(receipt[6:], []byte{2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
		}
		pipe := takeOffer(t, worker)
		if len(receipt) <= 4097 {
			_, _ = unix.Write(pipe, receipt)
		}
		unix.Close(pipe)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for _, g := range grants {
			err := g.Wait(ctx)
			ended := map[scmrights.State]bool{scmrights.StateDelivered: err == nil,
				scmrights.StateLost: errors.Is(err, scmrights.ErrLost), scmrights.StateRefused: errors.Is(err, scmrights.ErrRefused),
				scmrights.StateExpired: errors.Is(err, scmrights.ErrExpired) && errors.Is(err, scmrights.ErrProtocol)}
			if !ended[g.State()] {
				t.Errorf("%s is %s: %v", g.Name(), g.State(), err)
			}
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if b := conn.Ledger(); b.Open != 0 || b.Pipes != 0 || b.Taken != 2 || b.Closed != 2 {
			t.Errorf("%+v", b)
		}
		unix.Close(worker)
		if after := openFiles(t); after != before {
			t.Errorf("%d descriptors, before %d", after, before)
		}
	})
}

// takeOffer receives an OFFER, closes what it brought, and returns its pipe.
func takeOffer(t *testing.T, worker int) (pipe int) {
	t.Helper()
	buf, control := make([]byte, 1024), make([]byte, unix.CmsgSpace(4*8))
	_, n, _, _, err := unix.Recvmsg(worker, buf, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	rights, err := rightsOf(control[:n])
	if err != nil || len(rights) != 3 {
		t.Fatal(rights, err)
	}
	unix.Close(rights[0])
	unix.Close(rights[1])
	return rights[2]
}

// rightsOf reads control bytes by other code than ours.
func rightsOf(control []byte) (rights []int, err error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS && m.Header.Type != unix.SCM_PIDFD {
			continue
		}
		for d := m.Data; len(d) >= 4; d = d[4:] {
			if n := int32(binary.NativeEndian.Uint32(d)); n >= 0 {
				rights = append(rights, int(n))
			}
		}
	}
	return rights, nil
}

// FuzzControl: of control bytes in any order or disorder the receive path closes
// exactly the descriptors that they name. In the input a word below poolSize
// stands for one of a pool of open descriptors, each used once.
func FuzzControl(f *testing.F) {
	const poolSize = 8
	rights := func(words ...int) []byte { return unix.UnixRights(words...) }
	creds := unix.UnixCredentials(&unix.Ucred{Pid: 99, Uid: 99, Gid: 99})
	f.Add(rights(0, 1, 2))
	f.Add(append(slices.Clone(creds), rights(0, 1)...))
	f.Add(append(rights(0), rights(1, 2)...))
	f.Add(slices.Concat(creds, rights(0), creds, rights(1, 2), rights(3)))
	f.Add(append(rights(3), rights(4)[:unix.SizeofCmsghdr+1]...))
	f.Add(rights(0, -13, 1))
	f.Fuzz(func(t *testing.T, control []byte) {
		before := openFiles(t)
		control = bytes.Clone(control)
		open := map[int]bool{}
		for at := unix.SizeofCmsghdr; at+4 <= len(control); at += 4 {
			word := binary.NativeEndian.Uint32(control[at:])
			// Lengths and kinds stay: at the places of headers a word may be any.
			if word >= poolSize || len(open) >= poolSize || headerAt(control, at) {
				continue
			}
			n, err := unix.FcntlInt(uintptr(0), unix.F_DUPFD_CLOEXEC, 100)
			if err != nil {
				t.Fatal(err)
			}
			open[n] = true
			binary.NativeEndian.PutUint32(control[at:], uint32(n))
		}
		named, err := rightsOf(control)
		for _, n := range named {
			if !open[n] {
				closePool(open)
				return // names a descriptor of somebody else: not for this process to close
			}
		}
		if err != nil { // the other code gives up as a whole; ours keeps what it had found
			named = prefixOf(control)
			for _, n := range named {
				if !open[n] {
					closePool(open)
					return
				}
			}
		}
		got, malformed := scmrights.Arrive(control)
		if got != len(named) || err != nil && malformed == nil {
			t.Errorf("%d descriptors, %v; by other code %d, %v", got, malformed, len(named), err)
		}
		for n := range open {
			_, statErr := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
			if closed := statErr != nil; closed != slices.Contains(named, n) {
				t.Errorf("descriptor %d: closed %v, named in %v", n, closed, named)
			}
			unix.Close(n)
		}
		if after := openFiles(t); after != before {
			t.Errorf("%d descriptors, before %d", after, before)
		}
	})
}

func closePool(open map[int]bool) {
	for n := range open {
		unix.Close(n)
	}
}

// headerAt says whether a control message begins at or just before the place.
func headerAt(control []byte, at int) bool {
	for next := 0; next <= at; {
		if at < next+unix.SizeofCmsghdr {
			return true
		}
		if len(control)-next < unix.SizeofCmsghdr {
			return false
		}
		size := cmsgLen(control[next:])
		if size < unix.SizeofCmsghdr || size > uint64(len(control)-next) {
			return false
		}
		next += unix.CmsgSpace(int(size) - unix.SizeofCmsghdr)
	}
	return false
}

// cmsgLen is the first word of a control message, a size_t.
func cmsgLen(head []byte) uint64 {
	if unix.SizeofCmsghdr == 16 {
		return binary.NativeEndian.Uint64(head)
	}
	return uint64(binary.NativeEndian.Uint32(head))
}

// prefixOf is rightsOf for the messages before the first malformed one.
func prefixOf(control []byte) []int {
	end := 0
	for len(control)-end >= unix.SizeofCmsghdr {
		size := cmsgLen(control[end:])
		if size < unix.SizeofCmsghdr || size > uint64(len(control)-end) {
			break
		}
		end = min(end+unix.CmsgSpace(int(size)-unix.SizeofCmsghdr), len(control))
	}
	rights, _ := rightsOf(control[:end])
	return rights
}
