package scmrights_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
)

// TestFact06InstalledOneByOne: descriptors get numbers in their order; where
// that fails the rest is lost for good, the data comes, and MSG_CTRUNC is all
// that tells. Without one free number there is no control message at all.
func TestFact06InstalledOneByOne(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	forKinds(t, func(t *testing.T, typ int) {
		a, b := filePair(t, typ)
		one, two, three := memfd(t, "one"), memfd(t, "two"), memfd(t, "three")
		for free := range 4 {
			r, w := witness(t)
			mustRawSend(t, a, "data", one, two, three, w)
			w.Close()
			expectHeld(t, r)
			undo := leaveFree(t, free)
			got, err := rawReceive(t, b, 64, fullControl, 0)
			undo()
			if err != nil || got.text != "data" || len(got.files) != free || got.flags != unix.MSG_CTRUNC || (got.control == 0) != (free == 0) {
				t.Errorf("%d numbers free: %+v, %v", free, got, err)
			}
			for i, content := range []string{"one", "two", "three"}[:len(got.files)] {
				checkMemfd(t, got.files[i], content)
			}
			expectNothing(t, b)
			endsWith(t, r, waitLong)
		}
	})
}

// TestFact07RoomForOneHoldsTwo: on 64 bit the padding of CMSG_SPACE has room for
// one descriptor more, and nothing tells; CMSG_LEN has not.
func TestFact07RoomForOneHoldsTwo(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		f := memfd(t, "m")
		padded := unix.CmsgSpace(4) > unix.CmsgLen(4)
		mustRawSend(t, a, "x", f, f)
		got, err := rawReceive(t, b, 8, unix.CmsgSpace(4), 0)
		if want := map[bool]int{true: 2, false: 1}[padded]; err != nil || len(got.files) != want || (got.flags == 0) != padded {
			t.Errorf("CMSG_SPACE: %d files, flags %#x, %v; want %d", len(got.files), got.flags, err, want)
		}
		mustRawSend(t, a, "x", f, f)
		got, err = rawReceive(t, b, 8, unix.CmsgLen(4), 0)
		if err != nil || len(got.files) != 1 || got.flags != unix.MSG_CTRUNC {
			t.Errorf("CMSG_LEN: %d files, flags %#x, %v; want 1 and MSG_CTRUNC", len(got.files), got.flags, err)
		}
	})
}

// TestFact08CredentialsComeFirst: they can push descriptors out of a small
// buffer; the pidfd comes last, takes a number, and can be an errno instead.
func TestFact08CredentialsComeFirst(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	forKinds(t, func(t *testing.T, typ int) {
		a, b := filePair(t, typ)
		must(t, unix.SetsockoptInt(number(t, b), unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
		f := memfd(t, "m")
		mustRawSend(t, a, "x", f)
		got, err := rawReceive(t, b, 8, unix.CmsgSpace(unix.SizeofUcred), 0)
		if err != nil || got.parsed.Creds == nil || len(got.files) != 0 || got.flags != unix.MSG_CTRUNC {
			t.Errorf("room for credentials alone: %+v, %v", got, err)
		}
		testenv.Need(t, "SO_PASSPIDFD, Linux 6.5", unix.SetsockoptInt(number(t, b), unix.SOL_SOCKET, unix.SO_PASSPIDFD, 1))
		mustRawSend(t, a, "x", f)
		messages, err := unix.ParseSocketControlMessage(mustRawReceive(t, b, "x", 2).raw)
		must(t, err)
		var order []int32
		for _, m := range messages {
			order = append(order, m.Header.Type)
		}
		if len(order) != 3 || order[0] != unix.SCM_CREDENTIALS || order[1] != unix.SCM_RIGHTS || order[2] != unix.SCM_PIDFD {
			t.Fatalf("control messages of the types %v", order)
		}
		for free, want := range []int32{-int32(unix.EMFILE), 0} {
			mustRawSend(t, a, "x")
			undo := leaveFree(t, free)
			got, err := rawReceive(t, b, 8, fullControl, 0)
			undo()
			must(t, err)
			messages, err := unix.ParseSocketControlMessage(got.raw)
			must(t, err)
			if last := messages[len(messages)-1]; last.Header.Type != unix.SCM_PIDFD || min(word(last.Data), 0) != want || got.flags != 0 {
				t.Errorf("%d numbers free: type %d, number %d, flags %#x", free, last.Header.Type, word(last.Data), got.flags)
			}
		}
	})
}

// TestFact09WithoutControlBufferDropped: read and recv lose descriptors without
// a word; MSG_PEEK brings a copy under a new number each time.
func TestFact09WithoutControlBufferDropped(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		buf := make([]byte, 8)
		for name, receive := range map[string]func() (int, error){
			"read": func() (int, error) { return unix.Read(number(t, b), buf) },
			"recv": func() (int, error) {
				n, _, err := unix.Recvfrom(number(t, b), buf, unix.MSG_DONTWAIT)
				return n, err
			},
		} {
			r, w := witness(t)
			mustRawSend(t, a, "x", w)
			w.Close()
			expectHeld(t, r)
			if n, err := receive(); n != 1 || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			endsWith(t, r, waitLong)
		}
		f := memfd(t, "m")
		mustRawSend(t, a, "x", f)
		seen := map[int]bool{}
		for _, flags := range []int{unix.MSG_PEEK, unix.MSG_PEEK, 0} {
			got, err := rawReceive(t, b, 8, fullControl, flags)
			if err != nil || len(got.files) != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			if !sameOpenFile(t, f, got.files[0]) {
				t.Error("a peek brought another file")
			}
			seen[number(t, got.files[0])] = true
		}
		if len(seen) != 3 {
			t.Errorf("numbers %v: want 3 different ones", seen)
		}
		expectNothing(t, b)
	})
}

// TestFact10StreamStopsAfterDescriptors: a read of a stream stops after the
// bytes that carried descriptors and may start before them.
func TestFact10StreamStopsAfterDescriptors(t *testing.T) {
	testenv.CheckFDs(t)
	a, b := filePair(t, unix.SOCK_STREAM)
	f := memfd(t, "m")
	mustRawSend(t, a, "aaa")
	mustRawSend(t, a, "bbb", f)
	mustRawSend(t, a, "ccc")
	mustRawReceive(t, b, "aaabbb", 1)
	mustRawReceive(t, b, "ccc", 0)
	mustRawSend(t, a, "bbb", f) // MSG_WAITALL does not go on either
	mustRawSend(t, a, "ccc")
	if got, err := rawReceive(t, b, 6, fullControl, unix.MSG_WAITALL); err != nil || got.text != "bbb" || len(got.files) != 1 {
		t.Errorf("with MSG_WAITALL: %+v, %v", got, err)
	}
	mustRawReceive(t, b, "ccc", 0)
}

// TestFact11LongRecordKeepsItsDescriptors: the data is cut, MSG_TRUNC says so,
// and the descriptors are there all the same.
func TestFact11LongRecordKeepsItsDescriptors(t *testing.T) {
	for _, typ := range []int{unix.SOCK_SEQPACKET, unix.SOCK_DGRAM} {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		mustRawSend(t, a, "0123456789", memfd(t, "m"))
		got, err := rawReceive(t, b, 4, fullControl, 0)
		if err != nil || got.text != "0123" || got.flags != unix.MSG_TRUNC || len(got.files) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		checkMemfd(t, got.files[0], "m")
		expectNothing(t, b)
	}
}

// TestFact12ResetBeforeOrAfterTheData: a peer that closed with input unread is
// reported before what it had sent on SEQPACKET, after it on STREAM.
func TestFact12ResetBeforeOrAfterTheData(t *testing.T) {
	type step struct {
		text string
		err  error
	}
	rows := map[int][]step{
		unix.SOCK_SEQPACKET: {{"", unix.ECONNRESET}, {"data", nil}, {"", nil}, {"", nil}},
		unix.SOCK_STREAM:    {{"data", nil}, {"", unix.ECONNRESET}, {"", nil}, {"", nil}},
	}
	for typ, steps := range rows {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		mustRawSend(t, a, "data", memfd(t, "m"))
		mustRawSend(t, b, "unread")
		must(t, a.Close())
		for i, want := range steps {
			got, err := rawReceive(t, b, 64, fullControl, 0)
			if err != want.err || got.text != want.text || len(got.files) != len(want.text)/4 {
				t.Errorf("type %d, step %d: %+v, %v; want %v", typ, i, got, err, want)
			}
		}
	}
}

// TestFact14PassRightsOff: a receiver can have the sender refused; what was
// queued before still arrives.
func TestFact14PassRightsOff(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		f := memfd(t, "m")
		mustRawSend(t, a, "before", f)
		err := unix.SetsockoptInt(number(t, b), unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0)
		testenv.Need(t, "SO_PASSRIGHTS, Linux 6.16", err)
		if _, err := rawSend(t, a, "x", f); err != unix.EPERM {
			t.Errorf("%v, want EPERM", err)
		}
		mustRawSend(t, a, "plain")
		got, err := rawReceive(t, b, 6, fullControl, 0)
		if err != nil || got.text != "before" || len(got.files) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		mustRawReceive(t, b, "plain", 0)
		if _, err := sys.ScmSend(number(t, a), []byte("x"), sys.ScmAppendRights(nil, []int{number(t, f)}), unix.MSG_NOSIGNAL); err != unix.EPERM {
			t.Errorf("%v, want EPERM", err)
		}
	})
}
