package sysvctl_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

// What the kernel really does. Each of these is a fact that the design leans on.

const sleeper = 100 * time.Millisecond // a call that says nothing for so long is blocked

func TestFullQueueRefusesEveryType(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o666, QBytes: 128})
	waiting := ipcactor.Start(t, 40001, 40001)
	waiting.Tell("receive %d 1 64 0", q.ID())
	testenv.AsleepInQueue(t, waiting.PID(), 1)
	must(t, q.TrySend(9, make([]byte, 128)))
	want(t, q.TrySend(1, make([]byte, 64)), sysvctl.ErrFull) // although somebody waits for type 1
	if !waiting.Silent(sleeper) {
		t.Fatal("the message got in")
	}
	must(t, q.TrySend(1, nil)) // a message without bytes still gets in
	if got := waiting.Answer(); got != "ok 1 0" {
		t.Error(got)
	}
	// Until there are as many messages as msg_qbytes says bytes.
	n := 1
	for ; q.TrySend(9, nil) == nil; n++ {
	}
	if n != 128 {
		t.Errorf("%d messages fit a queue of 128 bytes", n)
	}
}

func TestNegativeTypeTakesLowestFirst(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	for i, mtype := range []sysvctl.Type{5, 3, 9, 3, 1} {
		must(t, q.TrySend(mtype, []byte{byte(i)}))
	}
	got := ""
	for {
		m, err := q.TryReceive(sysvctl.UpTo(5), make([]byte, 64))
		if errors.Is(err, sysvctl.ErrNoMessage) {
			break
		}
		must(t, err)
		got += fmt.Sprint(m.Type, ":", m.Data[0], " ")
	}
	if got != "1:4 3:1 3:3 5:0 " {
		t.Errorf("order %s", got)
	}
	// A type equal to the bound is taken, and the smallest long counts as the largest.
	_, err := q.TryReceive(sysvctl.UpTo(8), make([]byte, 64))
	want(t, err, sysvctl.ErrNoMessage)
	actor := ipcactor.Start(t, 0, 0)
	if got := actor.Do("receive %d -9223372036854775808 64 %d", q.ID(), nowait); got != "ok 9 1" {
		t.Error(got)
	}
	for _, bad := range []int{0, -1} {
		if got := actor.Do("send %d %d 0 %d", q.ID(), bad, nowait); got != "EINVAL" {
			t.Errorf("type %d: %s", bad, got)
		}
	}
}

func TestClearedReadBitWakesReceivers(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o666})
	waiting := ipcactor.Start(t, 40001, 40001)
	waiting.Tell("receive %d 0 64 0", q.ID())
	testenv.AsleepInQueue(t, waiting.PID(), 1)
	must(t, q.Permit(0, 0o666)) // the same mode: it stays
	if !waiting.Silent(sleeper) {
		t.Fatal("woken by an IPC_SET that took nothing away")
	}
	must(t, q.Revoke(sysvctl.Receivers))
	if got := waiting.Answer(); got != "EACCES" {
		t.Error(got)
	}
}

func TestClearedWriteBitAloneLeavesSendersAsleep(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o666, QBytes: 64})
	must(t, q.TrySend(1, make([]byte, 64)))
	waiting := ipcactor.Start(t, 40001, 40001)
	waiting.Tell("send %d 1 64 0", q.ID())
	testenv.AsleepInQueue(t, waiting.PID(), 1)
	must(t, q.Permit(0, 0o644))
	if !waiting.Silent(sleeper) {
		t.Fatal("woken")
	}
	began := time.Now()
	must(t, q.Revoke(sysvctl.Senders))
	if got := waiting.Answer(); got != "EACCES" {
		t.Error(got)
	}
	t.Logf("woken after %v", time.Since(began))
	if st, err := q.Stat(); err != nil || st.Messages != 1 || st.QBytes != 64 || st.Mode != 0o644 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestRevokeWakesEverySender(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o666, QBytes: 64})
	must(t, q.TrySend(1, make([]byte, 64)))
	var waiting []*ipcactor.Actor
	for i, size := range []int{64, 1, 0, 64} {
		if size == 0 {
			continue // it would get in
		}
		a := ipcactor.Start(t, uint32(40001+i), 40001)
		a.Tell("send %d 1 %d 0", q.ID(), size)
		waiting = append(waiting, a)
	}
	for _, a := range waiting {
		testenv.AsleepInQueue(t, a.PID(), 1)
	}
	must(t, q.Revoke(sysvctl.Senders|sysvctl.Receivers))
	for _, a := range waiting {
		if got := a.Answer(); got != "EACCES" {
			t.Error(got)
		}
	}
	if st, err := q.Stat(); err != nil || st.Messages != 1 || st.Mode != 0o600 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestRevokeWithoutRoomSaysSo(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o666}) // as large as msgmnb allows
	must(t, q.Revoke(sysvctl.Senders))           // nobody can sleep where there is room for all
	must(t, q.Permit(0, 0o666))
	for range 2 {
		must(t, q.TrySend(1, make([]byte, 8192)))
	}
	err := q.Revoke(sysvctl.Senders)
	if err == nil {
		t.Skip("needs a process without CAP_SYS_RESOURCE")
	}
	want(t, err, sysvctl.ErrLimit)
	if st, err := q.Stat(); err != nil || st.Mode != 0o644 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestPauseStopsEverySend(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o666, QBytes: 64})
	before, err := q.Pause()
	must(t, err)
	want(t, q.TrySend(1, nil), sysvctl.ErrFull)
	want(t, q.TrySend(1, []byte{1}), sysvctl.ErrFull)
	waiting := ipcactor.Start(t, 40001, 40001)
	waiting.Tell("send %d 1 64 0", q.ID())
	testenv.AsleepInQueue(t, waiting.PID(), 1)
	must(t, q.Resume(before))
	if got := waiting.Answer(); got != "ok" {
		t.Error(got)
	}
}

// Above msgmnb, also when only the sysctl was lowered since.
func TestSetIsClampedToTheLimit(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	if err := sysvctl.SetLimits(sysvctl.Limits{QBytes: 32768}); err != nil {
		testenv.Need(t, "writable limits of the IPC namespace", err)
	}
	owner := ipcactor.Start(t, 40001, 40001) // without CAP_SYS_RESOURCE for sure
	if got := owner.Do("create 77 %d", 0o666); got != "ok 0" {
		t.Fatal(got)
	}
	if got := owner.Do("set 0 40001 40001 %d 32769", 0o666); got != "EPERM" {
		t.Errorf("above msgmnb: %s", got)
	}
	must(t, sysvctl.SetLimits(sysvctl.Limits{QBytes: 8192}))
	if got := owner.Do("set 0 40001 40001 %d 32768", 0o600); got != "EPERM" {
		t.Errorf("an unchanged size above the lowered msgmnb: %s", got)
	}
	q, err := sysvctl.FromID(0, sysvctl.Wanted{CUID: 40001, UID: 40001})
	must(t, err)
	a, err := q.Set(func(a *sysvctl.Attr) { a.Mode = 0o600 })
	must(t, err)
	st, err := q.Stat()
	must(t, err)
	if st.QBytes != a.QBytes || st.Mode != 0o600 {
		t.Errorf("said %+v, is %+v", a, st)
	}
	if a.QBytes != 8192 && a.QBytes != 32768 { // the latter with CAP_SYS_RESOURCE
		t.Errorf("size %d", a.QBytes)
	}
}

func TestRemovedQueue(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o666, QBytes: 64})
	receiving, sending := ipcactor.Start(t, 40001, 40001), ipcactor.Start(t, 40002, 40002)
	must(t, q.TrySend(1, make([]byte, 64)))
	sending.Tell("send %d 1 64 0", q.ID())
	receiving.Tell("receive %d 2 64 0", q.ID())
	testenv.AsleepInQueue(t, sending.PID(), 1)
	testenv.AsleepInQueue(t, receiving.PID(), 1)
	ours := make(chan error, 1)
	go func() {
		_, err := q.Receive(context.Background(), sysvctl.Exactly(3), make([]byte, 64))
		ours <- err
	}()
	testenv.AsleepInQueue(t, os.Getpid(), 1)
	must(t, q.Remove())
	if got := sending.Answer(); got != "EIDRM" {
		t.Errorf("sender: %s", got)
	}
	if got := receiving.Answer(); got != "EIDRM" {
		t.Errorf("receiver: %s", got)
	}
	want(t, <-ours, sysvctl.ErrRemoved)
	err := q.TrySend(1, nil)
	want(t, err, sysvctl.ErrRemoved)
	want(t, err, syscall.EINVAL)
	_, err = q.TryReceive(sysvctl.Any(), nil)
	want(t, err, sysvctl.ErrRemoved)
	_, err = q.Stat()
	want(t, err, sysvctl.ErrRemoved)
	want(t, q.Permit(0, 0o600), sysvctl.ErrRemoved)
}

func TestFirstMatchingClassDecides(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	must(t, q.Permit(40001, 0o624))
	sender, receiver := ipcactor.Start(t, 40001, 40001), ipcactor.Start(t, 40002, 40002)
	for _, c := range []struct {
		who              *ipcactor.Actor
		call, want, name string
	}{
		{sender, "send %d 1 64 2048", "ok", "group sends"},
		{sender, "receive %d 0 64 2048", "EACCES", "group receives"},
		{receiver, "send %d 1 64 2048", "EACCES", "other sends"},
		{receiver, "receive %d 0 64 2048", "ok 1 64", "other receives"},
		{sender, "set %d 40001 40001 438 64", "EPERM", "group sets"},
		{receiver, "set %d 40002 40002 438 64", "EPERM", "other sets"},
		{sender, "remove %d", "EPERM", "group removes"},
		{receiver, "remove %d", "EPERM", "other removes"},
		{sender, "stat %d", "EACCES", "group stats"},
		{sender, "statany %d", "ok", "group stats by index"},
	} {
		if got := c.who.Do(c.call, q.ID()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	// The creator keeps control when everything is taken from it, and the rest.
	owner := ipcactor.Start(t, 40003, 40003)
	id := 0
	if _, err := fmt.Sscanf(owner.Do("create 78 %d", 0o026), "ok %d", &id); err != nil {
		t.Fatal(err)
	}
	if got := owner.Do("send %d 1 0 2048", id); got != "EACCES" {
		t.Errorf("owner of mode 0026 sends: %s", got)
	}
	if got := receiver.Do("send %d 1 0 2048", id); got != "ok" {
		t.Errorf("other of mode 0026 sends: %s", got)
	}
	if got := owner.Do("remove %d", id); got != "ok" {
		t.Errorf("creator removes: %s", got)
	}
}
