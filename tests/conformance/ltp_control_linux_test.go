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
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

// ltpControl is the Linux Test Project's msgctl, with those that were there once
// and are now part of others.
var ltpControl = []entry{
	{name: "msgctl01", run: func(t *testing.T) {
		began := time.Now()
		q, err := sysvctl.Create(77, sysvctl.Options{Mode: 0o640})
		must(t, err)
		st := stat(t, q)
		if st.QBytes == 0 || !st.Sent.IsZero() || !st.Received.IsZero() {
			t.Errorf("fresh: %+v", st)
		}
		now(t, "the time of the last change", st.Changed, began)
		st.QBytes, st.Changed = 0, time.Time{}
		equal(t, "the fresh queue", st, sysvctl.Stat{ID: q.ID(), Key: 77, Mode: 0o640})
	}},
	{name: "msgctl02", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		before := stat(t, q).QBytes
		_, err := q.Set(func(a *sysvctl.Attr) { a.QBytes-- })
		must(t, err)
		equal(t, "msg_qbytes", stat(t, q).QBytes, before-1)
	}},
	{name: "msgctl03", run: func(t *testing.T) { removedIsGone(t) }},
	{name: "msgctl04a", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{Mode: 0o222})
		if got := ipcactor.Start(t, nobody, nobody).Do("stat %d", q.ID()); got != "EACCES" {
			t.Error(got)
		}
	}},
	{name: "msgctl04b", run: func(t *testing.T) {
		want(t, raw(unix.SYS_MSGCTL, uintptr(queue(t, sysvctl.Options{}).ID()), sys.MsgStatID, 1, 0, 0), syscall.EFAULT)
	}},
	{name: "msgctl04c", run: func(t *testing.T) {
		want(t, raw(unix.SYS_MSGCTL, uintptr(queue(t, sysvctl.Options{}).ID()), sys.MsgChange, 1, 0, 0), syscall.EFAULT)
	}},
	{name: "msgctl04d", run: func(t *testing.T) {
		want(t, raw(unix.SYS_MSGCTL, uintptr(queue(t, sysvctl.Options{}).ID()), minusOne, 0, 0, 0), syscall.EINVAL)
	}},
	{name: "msgctl04e", run: func(t *testing.T) {
		_, err := sys.MsgStat(-1, sys.MsgStatID)
		want(t, err, syscall.EINVAL)
	}},
	{name: "msgctl04f", run: func(t *testing.T) { want(t, sys.MsgSet(-1, 0, 0, 0, 0), syscall.EINVAL) }},
	{name: "msgctl04g", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{Mode: 0o666})
		if got := ipcactor.Start(t, nobody, nobody).Do("remove %d", q.ID()); got != "EPERM" {
			t.Error(got)
		}
	}},
	{name: "msgctl05", run: func(t *testing.T) {
		// On 32 bit a word for the upper half of a time that is not zeroed shows
		// as a time in the year 2106 or later.
		q, began := queue(t, sysvctl.Options{}), time.Now()
		send(t, q, 1, "x")
		take(t, q, sysvctl.Any())
		st := stat(t, q)
		now(t, "sent", st.Sent, began)
		now(t, "received", st.Received, began)
		now(t, "changed", st.Changed, began)
	}},
	{name: "msgctl06", run: func(t *testing.T) {
		for range 3 {
			queue(t, sysvctl.Options{Mode: 0o600})
		}
		info, err := sys.MsgLimits(sys.MsgInfoMSG)
		must(t, err)
		text, err := os.ReadFile("/proc/sysvipc/msg")
		must(t, err)
		equal(t, "queues of MSG_INFO", int(info.Pool), strings.Count(string(text), "\n")-1)
		_, err = sys.MsgStat(info.Index, sys.MsgStatAny)
		must(t, err)
		if got := ipcactor.Start(t, nobody, nobody).Do("statany %d", info.Index); got != "ok" {
			t.Errorf("nobody: %s", got)
		}
		all, err := sysvctl.List()
		must(t, err)
		equal(t, "queues listed", len(all), 3)
	}},
	{name: "msgctl07", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		one := receive(q, sysvctl.Any())
		text := strings.Repeat("i", 100)
		send(t, q, 1, text)
		equal(t, "to one who waits", <-one, result{1, text, nil})
		for i := range 3 {
			send(t, q, sysvctl.Type(i+1), strings.Repeat(string(rune('i'+i)), 100))
		}
		for i := 2; i >= 0; i-- {
			takes(t, q, sysvctl.Exactly(sysvctl.Type(i+1)), sysvctl.Type(i+1), strings.Repeat(string(rune('i'+i)), 100))
		}
	}},
	{name: "msgctl08", why: "renamed to msgstress01"},
	{name: "msgctl09", why: "renamed to msgstress02"},
	{name: "msgctl10", why: "renamed to msgstress03"},
	{name: "msgctl11", why: "renamed to msgstress04"},
	{name: "msgctl12", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		for _, cmd := range []int{sys.MsgInfoIPC, sys.MsgInfoMSG} {
			_, err := sys.MsgLimits(cmd)
			must(t, err)
		}
		st, err := sys.MsgStat(0, sys.MsgStatIdx)
		must(t, err)
		equal(t, "the id of index 0", st.Index, id(q))
	}},
	{name: "msgctl13", run: func(t *testing.T) { removedIsGone(t) }},
}

func removedIsGone(t *testing.T) {
	q := queue(t, sysvctl.Options{})
	must(t, q.Remove())
	_, err := q.Stat()
	want(t, err, syscall.EINVAL)
	want(t, err, sysvctl.ErrRemoved)
}

// ltpStress is the Linux Test Project's msgstress: children that send through
// queues to other children, many at once. Here the children are actors and the
// numbers small; tests/differential has the large ones.
var ltpStress = []entry{
	{name: "msgstress01", run: func(t *testing.T) { stress(t, 4, 1, 250) }},
	{name: "msgstress02", run: func(t *testing.T) { stress(t, 2, 3, 100) }},
	{name: "msgstress03", run: func(t *testing.T) { stress(t, 8, 1, 50) }},
	{name: "msgstress04", run: func(t *testing.T) { stress(t, 3, 2, 100) }},
}

// stress has pairs of processes for each queue pass messages of a type of their
// own, all at once; each must arrive once, whole and in order.
func stress(t *testing.T, queues, pairs, messages int) {
	var receivers []*ipcactor.Actor
	for n := range queues {
		q := queue(t, sysvctl.Options{Mode: 0o666, QBytes: 2048})
		for p := range pairs {
			uid := uint32(40000 + n*pairs + p)
			from, to := ipcactor.Start(t, uid, uid), ipcactor.Start(t, uid, uid)
			to.Tell("sink %d %d %d", q.ID(), p+1, messages)
			from.Tell("pour %d %d %d", q.ID(), p+1, messages)
			receivers = append(receivers, to)
		}
	}
	for i, r := range receivers {
		if got := r.Answer(); got != fmt.Sprintf("ok %d", messages) {
			t.Errorf("receiver %d: %s", i, got)
		}
	}
	all, err := sysvctl.List()
	must(t, err)
	for _, st := range all {
		equal(t, fmt.Sprintf("messages left in queue %d", st.ID), st.Messages, 0)
	}
}
