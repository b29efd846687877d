package conformance_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

// ltpReceive is the Linux Test Project's msgrcv.
var ltpReceive = []entry{
	{name: "msgrcv01", run: func(t *testing.T) {
		q, began := queue(t, sysvctl.Options{}), time.Now()
		send(t, q, 1, "hello")
		takes(t, q, sysvctl.Exactly(1), 1, "hello")
		st := stat(t, q)
		equal(t, "bytes", st.Bytes, 0)
		equal(t, "messages", st.Messages, 0)
		equal(t, "the last receiver", st.Receiver, os.Getpid())
		now(t, "the time of the last receive", st.Received, began)
	}},
	{name: "msgrcv02a", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 1, "12345678")
		_, err := q.TryReceive(sysvctl.Any(), make([]byte, 7))
		want(t, err, syscall.E2BIG)
		want(t, err, sysvctl.ErrTooBig)
		takes(t, q, sysvctl.Any(), 1, "12345678")
	}},
	{name: "msgrcv02b", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{Mode: 0o222})
		send(t, q, 1, "x")
		if got := ipcactor.Start(t, nobody, nobody).Do("receive %d 0 8 2048", q.ID()); got != "EACCES" {
			t.Error(got)
		}
	}},
	{name: "msgrcv02c", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 1, "x")
		want(t, raw(unix.SYS_MSGRCV, uintptr(q.ID()), 0, 8, 0, nowait), syscall.EFAULT)
	}},
	{name: "msgrcv02d", run: func(t *testing.T) {
		_, _, err := sys.MsgReceive(-1, nil, 0, nowait)
		want(t, err, syscall.EINVAL)
		_, err = sysvctl.Attach(99).TryReceive(sysvctl.Any(), nil)
		want(t, err, sysvctl.ErrRemoved)
	}},
	{name: "msgrcv02e", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		want(t, raw(unix.SYS_MSGRCV, uintptr(q.ID()), 0, minusOne, 0, nowait), syscall.EINVAL)
	}},
	{name: "msgrcv02f", run: func(t *testing.T) { noneOfType(t, sysvctl.Exactly(3)) }},
	{name: "msgrcv02g", run: func(t *testing.T) { noneOfType(t, sysvctl.UpTo(1)) }},
	{name: "msgrcv02h", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 2, "x")
		_, _, err := sys.MsgReceive(id(q), make([]byte, 8), -1, sys.MsgExcept|nowait) // a negative type wins
		want(t, err, syscall.ENOMSG)
	}},
	{name: "msgrcv03a", run: func(t *testing.T) { refusedCopy(t, 0, 0, syscall.EINVAL) }},
	{name: "msgrcv03b", run: func(t *testing.T) { refusedCopy(t, 0, sys.MsgExcept|nowait, syscall.EINVAL) }},
	{name: "msgrcv03c", run: func(t *testing.T) { refusedCopy(t, 2, nowait, syscall.ENOMSG) }},
	{name: "msgrcv04", why: "part of msgrcv02 now"},
	{name: "msgrcv05", run: func(t *testing.T) {
		interrupted(t, "receive %d 0 64 0", queue(t, sysvctl.Options{Mode: 0o666}))
	}},
	{name: "msgrcv06", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		done := receive(q, sysvctl.Any())
		testenv.AsleepInQueue(t, os.Getpid(), 1)
		must(t, q.Remove())
		err := (<-done).err
		want(t, err, syscall.EIDRM)
		want(t, err, sysvctl.ErrRemoved)
	}},
	{name: "msgrcv07a", run: func(t *testing.T) {
		takes(t, oneAndTwo(t), sysvctl.Except(2), 1, "first")
	}},
	{name: "msgrcv07b", run: func(t *testing.T) {
		buf := make([]byte, 3)
		n, mtype, err := sys.MsgReceive(id(oneAndTwo(t)), buf, 1, sys.MsgNoError|nowait)
		must(t, err)
		if n != 3 || mtype != 1 || string(buf) != "fir" {
			t.Errorf("%d bytes %q of type %d", n, buf, mtype)
		}
	}},
	{name: "msgrcv07c", run: func(t *testing.T) {
		needCopy(t)
		q := oneAndTwo(t)
		m, err := q.Peek(0, make([]byte, 64))
		must(t, err)
		equal(t, "the copy", texts([]sysvctl.Message{m}), "1 \"first\"\n")
		equal(t, "messages", stat(t, q).Messages, 2)
	}},
	{name: "msgrcv07d", run: func(t *testing.T) { takes(t, oneAndTwo(t), sysvctl.Any(), 1, "first") }},
	{name: "msgrcv07e", run: func(t *testing.T) { takes(t, oneAndTwo(t), sysvctl.Exactly(2), 2, "second") }},
	{name: "msgrcv07f", run: func(t *testing.T) { takes(t, oneAndTwo(t), sysvctl.UpTo(2), 1, "first") }},
	{name: "msgrcv08", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 1, "found")
		takes(t, q, sysvctl.UpTo(3), 1, "found")
	}},
}

func noneOfType(t *testing.T, sel sysvctl.Selector) {
	q := queue(t, sysvctl.Options{})
	send(t, q, 2, "x")
	_, err := q.TryReceive(sel, make([]byte, 8))
	want(t, err, syscall.ENOMSG)
	want(t, err, sysvctl.ErrNoMessage)
	takes(t, q, sysvctl.Any(), 2, "x")
}

func refusedCopy(t *testing.T, index int64, flags int, target error) {
	needCopy(t)
	q := oneAndTwo(t)
	_, _, err := copyOf(q, index, 64, flags)
	want(t, err, target)
}

func oneAndTwo(t *testing.T) *sysvctl.Queue {
	q := queue(t, sysvctl.Options{})
	send(t, q, 1, "first")
	send(t, q, 2, "second")
	return q
}
