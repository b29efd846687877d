package scmrights_test

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
)

// TestFact13PeerOfPairIsItsCreator: SO_PEERCRED and SO_PEERPIDFD of a socketpair
// name whoever made it; the credentials beside a message name its sender, who
// cannot claim others without the right to.
func TestFact13PeerOfPairIsItsCreator(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		must(t, unix.SetsockoptInt(number(t, b), unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
		cmd, _ := startRaw(t, "send and exit", a)
		must(t, cmd.Wait())
		peer, err := unix.GetsockoptUcred(number(t, b), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil || int(peer.Pid) != os.Getpid() {
			t.Errorf("SO_PEERCRED %+v, %v; want process %d", peer, err, os.Getpid())
		}
		got := mustRawReceive(t, b, "bye", 1)
		if creds := got.parsed.Creds; creds == nil || int(creds.Pid) != cmd.Process.Pid {
			t.Errorf("SCM_CREDENTIALS %+v, want process %d", creds, cmd.Process.Pid)
		}

		a, b = filePair(t, typ)
		asNobody(t, func() {
			for _, claim := range []unix.Ucred{{Pid: 1, Uid: nobody, Gid: 0}, {Pid: int32(os.Getpid()), Uid: 4321, Gid: 0}} {
				if _, err := sys.ScmSend(number(t, a), []byte("x"), sys.ScmAppendCredentials(nil, claim), unix.MSG_NOSIGNAL); err != unix.EPERM {
					t.Errorf("claimed %+v: %v, want EPERM", claim, err)
				}
			}
		})
		expectNothing(t, b)

		n, err := unix.GetsockoptInt(number(t, b), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		testenv.Need(t, "SO_PEERPIDFD, Linux 6.5", err)
		defer unix.Close(n)
		if got := fdinfo(t, n, "Pid"); got != strconv.Itoa(os.Getpid()) {
			t.Errorf("SO_PEERPIDFD names process %s, want %d", got, os.Getpid())
		}
	})
}

// fdinfo is a line of /proc/self/fdinfo/n, "" when it has none of that name.
func fdinfo(t testing.TB, n int, name string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", n))
	must(t, err)
	for _, line := range strings.Split(string(b), "\n") {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// TestFact15SharedDescription: offset, status flags and locks are those of the
// sender, and Go's Fd in one process changes the mode of reading in the other.
func TestFact15SharedDescription(t *testing.T) {
	testenv.CheckFDs(t)
	a, b := filePair(t, unix.SOCK_SEQPACKET)
	path := t.TempDir() + "/f"
	must(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	mine, err := os.Open(path)
	must(t, err)
	mustRawSend(t, a, "x", mine)
	theirs := mustRawReceive(t, b, "x", 1).files[0]

	buf := make([]byte, 4)
	if _, err := mine.Read(buf); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Read(buf); err != nil || string(buf) != "4567" {
		t.Errorf("the offset is not shared: %q, %v", buf, err)
	}
	must(t, unix.Flock(number(t, mine), unix.LOCK_EX))
	must(t, mine.Close())
	stranger, err := os.Open(path)
	must(t, err)
	defer stranger.Close()
	if err := unix.Flock(number(t, stranger), unix.LOCK_EX|unix.LOCK_NB); err != unix.EAGAIN {
		t.Errorf("the lock went with the sender's copy: %v", err)
	}
	must(t, theirs.Close())
	must(t, unix.Flock(number(t, stranger), unix.LOCK_EX|unix.LOCK_NB))

	_, w := witness(t) // os.Pipe is non-blocking
	mustRawSend(t, a, "x", w)
	theirs = mustRawReceive(t, b, "x", 1).files[0]
	nonblocking := func() bool {
		flags, err := unix.FcntlInt(uintptr(number(t, theirs)), unix.F_GETFL, 0)
		must(t, err)
		return flags&unix.O_NONBLOCK != 0
	}
	if !nonblocking() {
		t.Fatal("a pipe of Go is blocking")
	}
	must(t, unix.SetNonblock(number(t, w), false))
	if nonblocking() {
		t.Error("O_NONBLOCK is not shared")
	}
	must(t, unix.SetNonblock(number(t, w), true))
	w.Fd()
	t.Logf("after (*os.File).Fd at the sender the receiver's copy is non-blocking: %v", nonblocking())
}

// TestFact16Identity: kcmp and F_DUPFD_QUERY say same open file description,
// fstat only same inode; the parent can take the worker's copy and compare.
func TestFact16Identity(t *testing.T) {
	testenv.CheckFDs(t)
	a, b := filePair(t, unix.SOCK_SEQPACKET)
	path := t.TempDir() + "/f"
	must(t, os.WriteFile(path, nil, 0o600))
	mine, err := os.Open(path)
	must(t, err)
	defer mine.Close()
	again, err := os.Open(path)
	must(t, err)
	defer again.Close()
	mustRawSend(t, a, "x", mine)
	theirs := mustRawReceive(t, b, "x", 1).files[0]
	same := func(x, y *os.File) bool {
		i, err := x.Stat()
		must(t, err)
		j, err := y.Stat()
		must(t, err)
		return os.SameFile(i, j)
	}
	if !same(mine, theirs) || !same(mine, again) {
		t.Error("fstat tells a difference")
	}
	if !sameOpenFile(t, mine, theirs) || sameOpenFile(t, mine, again) {
		t.Error("kcmp does not tell the open file description")
	}
	cmd, out := startRaw(t, "hold", b)
	mustRawSend(t, a, "x", mine)
	inChild, err := strconv.Atoi(line(t, out))
	must(t, err)
	if same, err := sys.ScmKcmp(os.Getpid(), cmd.Process.Pid, number(t, mine), inChild); !same || err != nil {
		t.Errorf("kcmp with the child's copy: %v, %v", same, err)
	}
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	must(t, err)
	defer unix.Close(pidfd)
	n, err := unix.PidfdGetfd(pidfd, inChild, 0)
	testenv.Need(t, "pidfd_getfd, Linux 5.6, and the right to trace the child", err)
	taken := os.NewFile(uintptr(n), "taken")
	defer taken.Close()
	if !sameOpenFile(t, mine, taken) {
		t.Error("pidfd_getfd brought another file")
	}
	const dupfdQuery = 1027 // F_DUPFD_QUERY of linux/fcntl.h
	yes, err := unix.FcntlInt(uintptr(number(t, mine)), dupfdQuery, number(t, taken))
	testenv.Need(t, "F_DUPFD_QUERY, Linux 6.10", err)
	no, err := unix.FcntlInt(uintptr(number(t, mine)), dupfdQuery, number(t, again))
	if yes != 1 || no != 0 || err != nil {
		t.Errorf("F_DUPFD_QUERY: %d and %d, %v", yes, no, err)
	}
}

// TestFact17PipeTellsTheSender: a pipe's write end, sent as the last descriptor,
// ends at the sender when the message was dropped or cut, or its receiver died;
// a byte that was written before is read first.
func TestFact17PipeTellsTheSender(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	forKinds(t, func(t *testing.T, typ int) {
		send := func() (r, b *os.File) {
			a, b := filePair(t, typ)
			r, w := witness(t)
			mustRawSend(t, a, "x", memfd(t, "m"), w)
			w.Close()
			expectHeld(t, r)
			return r, b
		}
		r, b := send()
		must(t, b.Close())
		endsWith(t, r, waitLong)

		r, b = send()
		undo := leaveFree(t, 1)
		got, err := rawReceive(t, b, 8, fullControl, 0)
		undo()
		if err != nil || len(got.files) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		endsWith(t, r, waitLong)

		for verb, wrote := range map[string]string{"stay": "", "write and stay": "\x06"} {
			r, b = send()
			cmd, out := startRaw(t, verb, b)
			if line(t, out) != "ready" {
				t.Fatal("the child is not ready")
			}
			killed := time.Now()
			must(t, cmd.Process.Kill())
			text, _ := endsWith(t, r, waitLong)
			if took := time.Since(killed); text != wrote {
				t.Errorf("%s: read %q, want %q", verb, text, wrote)
			} else {
				t.Logf("%s: the pipe ended %v after SIGKILL", verb, took)
			}
		}
	})
}

// TestFact18QueueIsCounted: fdinfo of a socket shows how many descriptors wait in
// its queue.
func TestFact18QueueIsCounted(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		f := memfd(t, "m")
		if fdinfo(t, number(t, b), "scm_fds") == "" {
			t.Skip("needs scm_fds in fdinfo, Linux 5.6")
		}
		for i, want := range []string{"0", "3", "6"} {
			if got := fdinfo(t, number(t, b), "scm_fds"); got != want {
				t.Errorf("after %d messages scm_fds is %s, want %s", i, got, want)
			}
			mustRawSend(t, a, "x", f, f, f)
		}
		for _, want := range []string{"6", "3", "0"} {
			if _, err := rawReceive(t, b, 1, fullControl, 0); err != nil {
				t.Fatal(err)
			}
			if got := fdinfo(t, number(t, b), "scm_fds"); got != want {
				t.Errorf("scm_fds is %s, want %s", got, want)
			}
		}
	})
}

// TestFact19CyclesAreCollectedLater: sockets that hold each other in their
// queues, and nobody else holds, are freed by a collector, with what else is in
// the queues. Measured: mostly within 30 ms, now and then after seconds, when
// some other unix socket was closed; so this test closes others while it waits.
// Descriptors of io_uring cannot be sent.
func TestFact19CyclesAreCollectedLater(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		a, b := filePair(t, typ)
		r, w := witness(t)
		mustRawSend(t, a, "x", w)
		mustRawSend(t, a, "x", b)
		mustRawSend(t, b, "x", a)
		must(t, w.Close())
		must(t, a.Close())
		must(t, b.Close())
		start := time.Now()
		pokeCollector(t, func() bool {
			must(t, r.SetReadDeadline(time.Now().Add(time.Millisecond)))
			_, err := r.Read(make([]byte, 1))
			return err == io.EOF
		})
		t.Logf("collected after %v", time.Since(start))
	})
	a, b := filePair(t, unix.SOCK_SEQPACKET)
	if _, err := rawSend(t, a, "x", ioUring(t)); err != unix.EINVAL {
		t.Errorf("an io_uring descriptor: %v, want EINVAL", err)
	}
	expectNothing(t, b)
}

// TestFact20LowestFreeNumbers: what is received gets the lowest free numbers, 0,
// 1 and 2 among them.
func TestFact20LowestFreeNumbers(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	forKinds(t, func(t *testing.T, typ int) {
		a, b := filePair(t, typ)
		f := memfd(t, "m")
		mustRawSend(t, a, "x", f, f)
		saved, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
		must(t, err)
		must(t, unix.Close(0))
		control := make([]byte, fullControl)
		_, n, _, err := sys.ScmReceive(number(t, b), make([]byte, 8), control, unix.MSG_DONTWAIT)
		must(t, err)
		got, err := sys.ScmParse(control[:n])
		if err != nil || len(got.Rights) != 2 || got.Rights[0] != 0 || got.Rights[1] <= 2 {
			t.Errorf("received under %v, %v; want 0 and a number above 2", got.Rights, err)
		}
		must(t, unix.Dup3(saved, 0, 0)) // closes the copy of f that has the number
		must(t, unix.Close(saved))
		must(t, unix.Close(got.Rights[1]))
	})
}
