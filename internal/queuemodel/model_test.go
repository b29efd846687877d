package queuemodel_test

import (
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/queuemodel"
)

const (
	owner = iota
	sender
	receiver
	other
)

func newModel(rules queuemodel.Rules, mode uint32, qbytes uint64) *queuemodel.Model {
	return queuemodel.New(rules, []queuemodel.Person{
		{UID: 1, GID: 1, PID: 10, TID: 11}, {UID: 2, GID: 2, PID: 20, TID: 21},
		{UID: 3, GID: 3, PID: 30, TID: 31}, {UID: 4, GID: 4, PID: 40, TID: 41},
	}, owner, mode, qbytes)
}

func answers(of ...any) []*queuemodel.Answer {
	list := make([]*queuemodel.Answer, 4)
	for i := 0; i < len(of); i += 2 {
		a := of[i+1].(queuemodel.Answer)
		list[of[i].(int)] = &a
	}
	return list
}

func fails(e syscall.Errno) queuemodel.Answer { return queuemodel.Answer{Errno: e} }

func status(mode uint32, messages, bytes, qbytes uint64, lastSender, lastReceiver int) queuemodel.Status {
	return queuemodel.Status{UID: 1, GID: 1, CUID: 1, CGID: 1, Mode: mode, Messages: messages, Bytes: bytes, QBytes: qbytes,
		LastSender: lastSender, LastReceiver: lastReceiver}
}

// A receiver that waits gets the message past the queue, and is named by its thread.
func TestWaitingReceiver(t *testing.T) {
	m := newModel(queuemodel.Linux, 0o666, 64)
	m.Call(queuemodel.Call{Op: queuemodel.Receive, Actor: receiver, Type: -3, Size: 64})
	must(t, m.Observe(answers(), status(0o666, 0, 0, 64, 0, 0)))
	if !m.Asleep(receiver) || m.Asleep(sender) {
		t.Error("who waits")
	}
	m.Call(queuemodel.Call{Op: queuemodel.Send, Actor: sender, Type: 3, Size: 8, Serial: 1})
	must(t, m.Observe(answers(sender, queuemodel.Answer{}, receiver, queuemodel.Answer{Type: 3, Size: 8, Serial: 1}), status(0o666, 0, 0, 64, 20, 31)))
}

// Two senders are woken by room for one: either may get it, and the next
// observation says which.
func TestBothOrdersAreKept(t *testing.T) {
	for first, second := range map[int]int{sender: other, other: sender} {
		m := newModel(queuemodel.Linux, 0o666, 64)
		m.Call(queuemodel.Call{Op: queuemodel.Send, Actor: owner, Type: 1, Size: 64})
		must(t, m.Observe(answers(owner, queuemodel.Answer{}), status(0o666, 1, 64, 64, 10, 0)))
		for _, who := range []int{sender, other} {
			m.Call(queuemodel.Call{Op: queuemodel.Send, Actor: who, Type: 2, Size: 64, Serial: who})
			must(t, m.Observe(answers(), status(0o666, 1, 64, 64, 10, 0)))
		}
		m.Call(queuemodel.Call{Op: queuemodel.Receive, Actor: receiver, Size: 64})
		if m.States() != 2 {
			t.Fatalf("%d states", m.States())
		}
		got := queuemodel.Answer{Type: 1, Size: 64}
		must(t, m.Observe(answers(receiver, got, first, queuemodel.Answer{}), status(0o666, 1, 64, 64, 10*(first+1), 30)))
		if m.States() != 1 || m.Asleep(first) || !m.Asleep(second) {
			t.Errorf("%d states after %d got in", m.States(), first)
		}
	}
}

// The kick refuses the sender that sleeps; the write bit alone does not.
func TestKickWakesSenders(t *testing.T) {
	m := newModel(queuemodel.Linux, 0o666, 4)
	m.Call(queuemodel.Call{Op: queuemodel.Send, Actor: sender, Type: 1, Size: 5})
	must(t, m.Observe(answers(), status(0o666, 0, 0, 4, 0, 0)))
	m.Call(queuemodel.Call{Op: queuemodel.Set, Actor: owner, UID: 1, GID: 1, Mode: 0o644, QBytes: 4})
	must(t, m.Observe(answers(owner, queuemodel.Answer{}), status(0o644, 0, 0, 4, 0, 0)))
	m.Call(queuemodel.Call{Op: queuemodel.Kick, Actor: owner})
	must(t, m.Observe(answers(owner, queuemodel.Answer{}, sender, fails(syscall.EACCES)), status(0o644, 0, 0, 4, 0, 0)))
}

// A receiver and a sender that one IPC_SET woke may meet in three ways: in the
// list, in the queue, or not before the receiver waits again. Seed 72693 of the
// differential test found the second on a real kernel.
func TestWokenReceiverMeetsWokenSender(t *testing.T) {
	for _, lastReceiver := range []int{30, 31} {
		m := newModel(queuemodel.Linux, 0o666, 0)
		m.Call(queuemodel.Call{Op: queuemodel.Receive, Actor: receiver, Size: 8})
		m.Call(queuemodel.Call{Op: queuemodel.Send, Actor: sender, Type: 1, Size: 8, Serial: 1})
		must(t, m.Observe(answers(), status(0o666, 0, 0, 0, 0, 0)))
		m.Call(queuemodel.Call{Op: queuemodel.Set, Actor: owner, UID: 1, GID: 1, Mode: 0o666, QBytes: 64})
		must(t, m.Observe(answers(owner, queuemodel.Answer{}, sender, queuemodel.Answer{},
			receiver, queuemodel.Answer{Type: 1, Size: 8, Serial: 1}), status(0o666, 0, 0, 64, 20, lastReceiver)))
	}
}

func TestObserveTellsWhatWasPossible(t *testing.T) {
	m := newModel(queuemodel.Linux, 0o600, 64)
	m.Call(queuemodel.Call{Op: queuemodel.Remove, Actor: other})
	err := m.Observe(answers(other, queuemodel.Answer{}), queuemodel.Status{Gone: true})
	if err == nil || !strings.Contains(err.Error(), syscall.EPERM.Error()) {
		t.Errorf("%v, want what Linux answers", err)
	}
}

// gVisor's departure, told by one call.
func TestBoundExcluded(t *testing.T) {
	for _, rules := range []queuemodel.Rules{queuemodel.Linux, {BoundExcluded: true}} {
		m := newModel(rules, 0o666, 64)
		m.Call(queuemodel.Call{Op: queuemodel.Send, Actor: sender, Type: 2, Size: 1, Serial: 1})
		must(t, m.Observe(answers(sender, queuemodel.Answer{}), status(0o666, 1, 1, 64, 20, 0)))
		m.Call(queuemodel.Call{Op: queuemodel.Receive, Actor: receiver, Type: -2, Size: 64, Flags: queuemodel.NoWait})
		err := m.Observe(answers(receiver, queuemodel.Answer{Type: 2, Size: 1, Serial: 1}), status(0o666, 0, 0, 64, 20, 30))
		if (err == nil) != (rules == queuemodel.Linux) {
			t.Errorf("%+v: %v", rules, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
