package conformance_test

import (
	"os"
	"strconv"
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

// ltpSend is the Linux Test Project's msgsnd.
var ltpSend = []entry{
	{name: "msgsnd01", run: func(t *testing.T) {
		q, began := queue(t, sysvctl.Options{}), time.Now()
		send(t, q, 1, strings.Repeat("x", 1024))
		st := stat(t, q)
		equal(t, "bytes", st.Bytes, 1024)
		equal(t, "messages", st.Messages, 1)
		equal(t, "the last sender", st.Sender, os.Getpid())
		now(t, "the time of the last send", st.Sent, began)
	}},
	{name: "msgsnd02a", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{Mode: 0o444})
		if got := ipcactor.Start(t, nobody, nobody).Do("send %d 1 8 0", q.ID()); got != "EACCES" {
			t.Error(got)
		}
	}},
	{name: "msgsnd02b", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		want(t, raw(unix.SYS_MSGSND, uintptr(q.ID()), 0, 8, nowait, 0), syscall.EFAULT)
	}},
	{name: "msgsnd02c", run: func(t *testing.T) {
		want(t, sys.MsgSend(-1, 1, nil, 0), syscall.EINVAL)
		want(t, sysvctl.Attach(99).TrySend(1, nil), sysvctl.ErrRemoved)
	}},
	{name: "msgsnd02d", run: func(t *testing.T) { refusedType(t, 0) }},
	{name: "msgsnd02e", run: func(t *testing.T) { refusedType(t, -1) }},
	{name: "msgsnd02f", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		want(t, sendSize(q, minusOne), syscall.EINVAL)
		must(t, sendSize(q, 1))
	}},
	{name: "msgsnd03", why: "part of msgsnd02 now"},
	{name: "msgsnd04", why: "part of msgsnd05 now"},
	{name: "msgsnd05a", run: func(t *testing.T) {
		q := full(t)
		err := q.TrySend(1, make([]byte, 64))
		want(t, err, syscall.EAGAIN)
		want(t, err, sysvctl.ErrFull)
	}},
	{name: "msgsnd05b", run: func(t *testing.T) {
		q := full(t)
		interrupted(t, "send %d 1 64 0", q)
	}},
	{name: "msgsnd06", run: func(t *testing.T) {
		q := full(t)
		done := sender(q, 1, "later")
		testenv.AsleepInQueue(t, os.Getpid(), 1)
		must(t, q.Remove())
		err := <-done
		want(t, err, syscall.EIDRM)
		want(t, err, sysvctl.ErrRemoved)
	}},
}

func refusedType(t *testing.T, mtype int64) {
	q := queue(t, sysvctl.Options{})
	want(t, sys.MsgSend(id(q), mtype, []byte("x"), nowait), syscall.EINVAL)
	want(t, q.TrySend(sysvctl.Type(mtype), []byte("x")), sysvctl.ErrNotPositive)
	equal(t, "messages", stat(t, q).Messages, 0)
}

// full is a queue of 64 bytes with one message of 64.
func full(t *testing.T) *sysvctl.Queue {
	t.Helper()
	q := queue(t, sysvctl.Options{Mode: 0o666, QBytes: 64})
	must(t, q.TrySend(1, make([]byte, 64)))
	return q
}

// interrupted makes an actor wait in a call and sends its threads a signal that
// it handles, until the call is back: a signal just before the call is lost.
func interrupted(t *testing.T, call string, q *sysvctl.Queue) {
	t.Helper()
	a := ipcactor.Start(t, nobody, nobody)
	a.Tell(call, q.ID())
	testenv.AsleepInQueue(t, a.PID(), 1)
	for tries := 0; ; tries++ {
		tasks, err := os.ReadDir("/proc/" + strconv.Itoa(a.PID()) + "/task")
		must(t, err)
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			must(t, err)
			_ = unix.Tgkill(a.PID(), tid, unix.SIGURG)
		}
		if got, came := a.Within(50 * time.Millisecond); came {
			equal(t, "the answer", got, "EINTR")
			return
		}
		if tries == 100 {
			t.Fatal("no signal got through")
		}
	}
}
