package conformance_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

const gvisorSize = 50 // bytes of a message there

// gvisor is the MsgqueueTest of gVisor's test/syscalls.
var gvisor = []entry{
	{name: "MsgGet", run: func(t *testing.T) {
		key, err := sysvctl.Ftok(os.Args[0], 1)
		must(t, err)
		q, err := sysvctl.Create(key, sysvctl.Options{})
		must(t, err)
		again, err := sysvctl.Open(key, sysvctl.Wanted{})
		must(t, err)
		equal(t, "the id", again.ID(), q.ID())
	}},
	{name: "MsgGetFail", run: func(t *testing.T) {
		_, err := sysvctl.Open(77, sysvctl.Wanted{})
		want(t, err, syscall.ENOENT)
		_, err = sysvctl.Create(77, sysvctl.Options{})
		must(t, err)
		_, err = sysvctl.Create(77, sysvctl.Options{})
		want(t, err, syscall.EEXIST)
	}},
	{name: "MsgGetIpcPrivate", run: func(t *testing.T) {
		if a, b := queue(t, sysvctl.Options{}), queue(t, sysvctl.Options{}); a.ID() == b.ID() {
			t.Errorf("both have the id %d", a.ID())
		}
	}},
	{name: "MsgOpSimple", run: func(t *testing.T) {
		q, text := queue(t, sysvctl.Options{}), strings.Repeat("m", gvisorSize)
		send(t, q, 1, text)
		takes(t, q, sysvctl.Any(), 1, text)
	}},
	{name: "MsgOpEmpty", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 1, "")
		takes(t, q, sysvctl.Any(), 1, "")
	}},
	{name: "MsgOpTruncate", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 1, strings.Repeat("m", gvisorSize))
		n, _, err := sys.MsgReceive(id(q), make([]byte, gvisorSize-1), 0, sys.MsgNoError)
		must(t, err)
		equal(t, "the length", n, gvisorSize-1)
		equal(t, "messages left", stat(t, q).Messages, 0)
	}},
	{name: "MsgOpInvalidArgs", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		at := uintptr(q.ID())
		want(t, sys.MsgSend(-1, 1, nil, 0), syscall.EINVAL)
		want(t, sendSize(q, minusOne), syscall.EINVAL)
		want(t, sys.MsgSend(id(q), -1, []byte("x"), 0), syscall.EINVAL)
		_, _, err := sys.MsgReceive(-1, make([]byte, 1), 0, 0)
		want(t, err, syscall.EINVAL)
		want(t, raw(unix.SYS_MSGRCV, at, 0, minusOne, 0, 0), syscall.EINVAL)
	}},
	{name: "MsgOpNoMsg", run: func(t *testing.T) {
		_, err := queue(t, sysvctl.Options{}).TryReceive(sysvctl.Any(), make([]byte, 8))
		want(t, err, syscall.ENOMSG)
	}},
	{name: "MsgOpNoMsgType", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 1, "x")
		_, err := q.TryReceive(sysvctl.Exactly(2), make([]byte, 8))
		want(t, err, syscall.ENOMSG)
	}},
	{name: "MsgOpTooBig", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		must(t, q.TrySend(1, make([]byte, gvisorSize)))
		_, err := q.TryReceive(sysvctl.Any(), make([]byte, gvisorSize-1))
		want(t, err, syscall.E2BIG)
	}},
	{name: "MsgRcvType", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		for n := range sysvctl.Type(9) {
			send(t, q, n+1, fmt.Sprint("number ", n+1))
		}
		for n := sysvctl.Type(9); n > 0; n-- {
			takes(t, q, sysvctl.Exactly(n), n, fmt.Sprint("number ", n))
		}
	}},
	{name: "MsgExcept", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 1, "one")
		send(t, q, 2, "two")
		takes(t, q, sysvctl.Except(2), 1, "one")
		takes(t, q, sysvctl.Except(1), 2, "two")
	}},
	{name: "MsgRcvTypeNegative", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 2, "two")
		_, err := q.TryReceive(sysvctl.UpTo(1), make([]byte, 8))
		want(t, err, syscall.ENOMSG)
		takes(t, q, sysvctl.UpTo(3), 2, "two")
	}},
	// Not in their list: the one that gVisor fails (its issue 13516).
	{name: "MsgRcvTypeNegativeEqual", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		send(t, q, 2, "two")
		takes(t, q, sysvctl.UpTo(2), 2, "two")
	}},
	{name: "MsgOpPermissions", run: func(t *testing.T) {
		a := ipcactor.Start(t, nobody, nobody) // owner without CAP_IPC_OWNER
		equal(t, "create", a.Do("create 77 0"), "ok 0")
		equal(t, "send", a.Do("send 0 1 50 0"), "EACCES")
		equal(t, "receive", a.Do("receive 0 0 50 0"), "EACCES")
	}},
	{name: "MsgOpLimits", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		err := q.TrySend(1, make([]byte, 8193))
		want(t, err, syscall.EINVAL)
		want(t, err, sysvctl.ErrTooBig)
		for range 2 {
			must(t, q.TrySend(1, make([]byte, 8192)))
		}
		want(t, q.TrySend(1, make([]byte, 8192)), syscall.EAGAIN)
	}},
	{name: "MsgCopy", run: func(t *testing.T) {
		needCopy(t)
		q := queue(t, sysvctl.Options{})
		for n := range 5 {
			send(t, q, sysvctl.Type(n+1), fmt.Sprint("number ", n))
		}
		for n := range 5 {
			m, err := q.Peek(n, make([]byte, 64))
			must(t, err)
			equal(t, "the copy", texts([]sysvctl.Message{m}), fmt.Sprintf("%d \"number %d\"\n", n+1, n))
		}
		for n := range 5 {
			takes(t, q, sysvctl.Any(), sysvctl.Type(n+1), fmt.Sprint("number ", n))
		}
	}},
	{name: "MsgCopyInvalidArgs", run: func(t *testing.T) {
		refusedCopy(t, 1, 0, syscall.EINVAL)
		refusedCopy(t, 5, sys.MsgExcept|nowait, syscall.EINVAL)
	}},
	{name: "MsgCopyInvalidIndex", run: func(t *testing.T) {
		refusedCopy(t, -3, nowait, syscall.ENOMSG)
		refusedCopy(t, 5, nowait, syscall.ENOMSG)
	}},
	{name: "MsgRcvBlocking", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		done := receive(q, sysvctl.Any())
		testenv.AsleepInQueue(t, os.Getpid(), 1)
		send(t, q, 1, "at last")
		equal(t, "it got", <-done, result{1, "at last", nil})
	}},
	{name: "MsgRcvTypeBlocking", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		done := receive(q, sysvctl.Exactly(2))
		testenv.AsleepInQueue(t, os.Getpid(), 1)
		for range 4 {
			send(t, q, 1, "not this")
		}
		testenv.AsleepInQueue(t, os.Getpid(), 1)
		send(t, q, 2, "this")
		equal(t, "it got", <-done, result{2, "this", nil})
		equal(t, "messages left", stat(t, q).Messages, 4)
	}},
	{name: "MsgSndBlocking", run: func(t *testing.T) {
		q := full(t)
		done := sender(q, 2, strings.Repeat("x", 64))
		testenv.AsleepInQueue(t, os.Getpid(), 1)
		take(t, q, sysvctl.Any())
		must(t, <-done)
		takes(t, q, sysvctl.Any(), 2, strings.Repeat("x", 64))
	}},
	{name: "MsgSndRmWhileBlocking", run: func(t *testing.T) {
		q := full(t)
		done := sender(q, 2, "x")
		testenv.AsleepInQueue(t, os.Getpid(), 1)
		must(t, q.Remove())
		want(t, <-done, sysvctl.ErrRemoved)
	}},
	{name: "MsgRcvRmWhileBlocking", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		done := receive(q, sysvctl.Exactly(2))
		testenv.AsleepInQueue(t, os.Getpid(), 1)
		must(t, q.Remove())
		want(t, (<-done).err, sysvctl.ErrRemoved)
	}},
	{name: "MsgOpGeneral", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		var receivers []<-chan result
		var senders []<-chan error
		for n := range 10 {
			receivers = append(receivers, receive(q, sysvctl.Exactly(sysvctl.Type(n%5+1))))
		}
		for n := range 10 {
			senders = append(senders, sender(q, sysvctl.Type(n%5+1), fmt.Sprint("number ", n%5)))
		}
		for n := range 10 {
			must(t, <-senders[n])
			select {
			case got := <-receivers[n]:
				equal(t, "a receiver got", got, result{sysvctl.Type(n%5 + 1), fmt.Sprint("number ", n%5), nil})
			case <-time.After(10 * time.Second):
				t.Fatalf("receiver %d still waits", n)
			}
		}
	}},
}
