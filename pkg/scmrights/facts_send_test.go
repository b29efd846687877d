package scmrights_test

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
)

// TestFact01ReferencesAreTakenAtSendmsg: closing a descriptor after sendmsg, and
// dying, takes nothing from the receiver.
func TestFact01ReferencesAreTakenAtSendmsg(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		f := memfd(t, "still there")
		mustRawSend(t, a, "x", f)
		must(t, f.Close())
		checkMemfd(t, mustRawReceive(t, b, "x", 1).files[0], "still there")

		a, b = filePair(t, typ)
		cmd, out := startRaw(t, "send and exit", a)
		if _, err := io.ReadAll(out); err != nil {
			t.Fatal(err)
		}
		must(t, cmd.Wait())
		f = mustRawReceive(t, b, "bye", 1).files[0]
		magic := make([]byte, 4)
		if _, err := f.ReadAt(magic, 0); err != nil || string(magic) != "\x7fELF" {
			t.Errorf("%q, %v", magic, err)
		}
	})
}

// TestFact02OneBadDescriptorFailsTheWholeSend, and so do more than 253, however
// they are spread; several SCM_RIGHTS messages arrive as one.
func TestFact02OneBadDescriptorFailsTheWholeSend(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		one, two := memfd(t, "one"), memfd(t, "two")
		good := number(t, one)
		rights := func(numbers ...int) []byte { return sys.ScmAppendRights(nil, numbers) }
		rows := []struct {
			control []byte
			wants   error
		}{
			{rights(good, good, 1<<20), unix.EBADF},
			{rights(-1), unix.EBADF},
			{rights(slices.Repeat([]int{good}, 254)...), unix.EINVAL},
			{append(rights(slices.Repeat([]int{good}, 200)...), rights(slices.Repeat([]int{good}, 54)...)...), unix.EINVAL},
		}
		for i, row := range rows {
			if n, err := sys.ScmSend(number(t, a), []byte("x"), row.control, unix.MSG_NOSIGNAL); err != row.wants {
				t.Errorf("row %d: %d, %v; want %v", i, n, err, row.wants)
			}
			expectNothing(t, b)
		}
		control := append(rights(good), rights(number(t, two), good)...)
		if _, err := sys.ScmSend(number(t, a), []byte("x"), control, unix.MSG_NOSIGNAL); err != nil {
			t.Fatal(err)
		}
		got := mustRawReceive(t, b, "x", 3)
		messages, err := unix.ParseSocketControlMessage(got.raw)
		if err != nil || len(messages) != 1 {
			t.Errorf("%d control messages, %v; want 1", len(messages), err)
		}
		for i, content := range []string{"one", "two", "one"} {
			checkMemfd(t, got.files[i], content)
		}
	})
}

// TestFact03InFlightIsCountedPerUser: above RLIMIT_NOFILE a user can send no
// more, on any socket; the check comes before the counting, so it overshoots.
func TestFact03InFlightIsCountedPerUser(t *testing.T) {
	if !testenv.InSubprocess(t, unprivileged()) {
		return
	}
	if os.Getuid() == 0 {
		t.Fatal("still privileged")
	}
	a, b := filePair(t, unix.SOCK_SEQPACKET)
	other, _ := filePair(t, unix.SOCK_STREAM)
	f := memfd(t, "m")
	var twenty []*os.File
	for range 20 {
		twenty = append(twenty, f)
	}
	limitNumbers(t, 32)
	mustRawSend(t, a, "20", twenty...)
	mustRawSend(t, a, "40", twenty...) // 20 are not more than 32
	if _, err := rawSend(t, a, "60", twenty...); err != unix.ETOOMANYREFS {
		t.Errorf("40 in flight under a limit of 32: %v", err)
	}
	if _, err := rawSend(t, other, "x", f); err != unix.ETOOMANYREFS {
		t.Errorf("on another socket of the same user: %v", err)
	}
	if a, err := rawReceive(t, b, 8, 0, 0); err != nil || a.text != "20" {
		t.Fatal(a, err)
	}
	mustRawSend(t, other, "x", f)
}

// TestFact03RootIsExempt: of what limits others, nothing stops root.
func TestFact03RootIsExempt(t *testing.T) {
	testenv.NeedRoot(t)
	if !testenv.InSubprocess(t, nil) {
		return
	}
	a, _ := filePair(t, unix.SOCK_SEQPACKET)
	f := memfd(t, "m")
	limitNumbers(t, 32)
	for range 100 {
		mustRawSend(t, a, "x", f)
	}
}

// TestFact04DescriptorsGoWithTheFirstByte: a send on a stream can be short, an
// empty one drops descriptors; an empty record delivers them with n = 0.
func TestFact04DescriptorsGoWithTheFirstByte(t *testing.T) {
	testenv.CheckFDs(t)
	a, b := filePair(t, unix.SOCK_STREAM)
	n, err := rawSend(t, a, strings.Repeat("x", 8<<20), memfd(t, "m"))
	if err != nil || n == 0 || n == 8<<20 {
		t.Fatalf("%d bytes, %v: want a short write", n, err)
	}
	if got, err := rawReceive(t, b, 1, fullControl, 0); err != nil || got.text != "x" || len(got.files) != 1 {
		t.Errorf("the first byte: %+v, %v", got, err)
	}
	for rest := n - 1; rest > 0; {
		got, err := rawReceive(t, b, 1<<20, fullControl, 0)
		if err != nil || len(got.files) != 0 {
			t.Fatalf("with %d bytes left: %d files, %v", rest, len(got.files), err)
		}
		rest -= len(got.text)
	}

	r, w := witness(t)
	mustRawSend(t, a, "", w) // succeeds
	expectNothing(t, b)
	w.Close()
	endsWith(t, r, waitLong)

	for _, typ := range []int{unix.SOCK_SEQPACKET, unix.SOCK_DGRAM} {
		a, b := filePair(t, typ)
		mustRawSend(t, a, "", memfd(t, "m"))
		checkMemfd(t, mustRawReceive(t, b, "", 1).files[0], "m")
	}
}

// TestFact05SendmmsgHidesTheErrno: it stops at the first error and returns the
// count before it; only when that is none there is an errno.
func TestFact05SendmmsgHidesTheErrno(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		bad := sys.ScmMessage{Data: bytesOf("bad"), Control: sys.ScmAppendRights(nil, []int{1 << 20})}
		good := sys.ScmMessage{Data: bytesOf("good"), Control: sys.ScmAppendRights(nil, []int{number(t, memfd(t, "m"))})}
		n, err := sys.ScmSendBatch(number(t, a), []sys.ScmMessage{good, good, bad, good}, unix.MSG_NOSIGNAL)
		if n != 2 || err != nil {
			t.Errorf("%d, %v; want 2 and no errno", n, err)
		}
		n, err = sys.ScmSendBatch(number(t, a), []sys.ScmMessage{bad, good}, unix.MSG_NOSIGNAL)
		if n != 0 || err != unix.EBADF {
			t.Errorf("%d, %v; want EBADF", n, err)
		}
		for range 2 {
			mustRawReceive(t, b, "good", 1)
		}
		expectNothing(t, b)
	})
}
