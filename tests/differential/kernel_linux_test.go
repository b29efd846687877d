package differential_test

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/queuemodel"
	"sallyport/internal/sys"
)

// cast is the actors of all programs, in the order of people.
type cast []*actor

func newCast(t *testing.T) cast {
	t.Helper()
	var c cast
	for _, p := range people() {
		c = append(c, startActor(t, p))
	}
	return c
}

func (c cast) persons() []queuemodel.Person {
	var all []queuemodel.Person
	for _, a := range c {
		all = append(all, a.Person)
	}
	return all
}

// makeQueue has the creator make a queue, which root then gives its size.
func (c cast) makeQueue(creator int, mode uint32, qbytes uint64) (int32, error) {
	a := c[creator]
	if err := a.tell(order{Op: create, Mode: mode}); err != nil {
		return 0, err
	}
	r, err := a.read()
	if err != nil || r.Errno != 0 {
		return 0, fmt.Errorf("msgget of actor %d: %d, %v", creator, r.Errno, err)
	}
	return r.Size, sys.MsgSet(r.Size, a.UID, a.GID, mode, qbytes)
}

// make tells an actor its call, or sends the signal.
func (c cast) make(id int32, call queuemodel.Call) error {
	if call.Op == queuemodel.Signal {
		a := c[call.Target]
		return unix.Tgkill(a.PID, a.TID, unix.SIGURG)
	}
	return c[call.Actor].tell(order{
		Op: uint32(call.Op), ID: id, Type: call.Type, Size: int32(call.Size), Flags: int32(call.Flags), Serial: uint32(call.Serial),
		UID: call.UID, GID: call.GID, Mode: call.Mode, QBytes: call.QBytes,
	})
}

// settled collects answers until everybody has answered or sleeps in a queue
// call. Two looks must find the same: whoever is woken is runnable before the
// call of its waker ends, so a second look without an answer in between sees
// nobody who could still wake another. forMe is who must answer in any case, or -1.
func (c cast) settled(forMe int) ([]*queuemodel.Answer, error) {
	answers := make([]*queuemodel.Answer, len(c))
	deadline := time.Now().Add(20 * time.Second)
	for calm := 0; calm < 2; {
		var waiting []unix.PollFd
		var who []int
		for i, a := range c {
			if a.awaiting {
				waiting, who = append(waiting, unix.PollFd{Fd: int32(a.outFD), Events: unix.POLLIN}), append(who, i)
			}
		}
		if len(who) == 0 {
			return answers, nil
		}
		pause := unix.NsecToTimespec(0)
		if calm == 0 {
			pause = unix.NsecToTimespec((50 * time.Microsecond).Nanoseconds())
		}
		if _, err := unix.Ppoll(waiting, &pause, nil); err != nil && err != unix.EINTR {
			return nil, err
		}
		still := forMe < 0 || answers[forMe] != nil
		for n, p := range waiting {
			i := who[n]
			if p.Revents == 0 {
				still = still && c[i].asleep()
				continue
			}
			still = false
			r, err := c[i].read()
			if err != nil {
				return nil, err
			}
			answers[i] = r.answer()
		}
		calm++
		if !still {
			calm = 0
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("no rest within 20 s: %v", who)
		}
	}
	return answers, nil
}

func (r *reply) answer() *queuemodel.Answer {
	if r.Errno != 0 {
		return &queuemodel.Answer{Errno: syscall.Errno(r.Errno)}
	}
	a := &queuemodel.Answer{Type: r.Type, Size: int(r.Size)}
	if a.Size > 0 {
		a.Serial = int(r.Text[0])
		if !bytes.Equal(r.Text[:a.Size], text(a.Serial, a.Size)) {
			a.Serial = -1 // bytes of no message
		}
	}
	return a
}

func status(id int32) queuemodel.Status {
	k, err := sys.MsgStat(id, sys.MsgStatID)
	if err != nil {
		return queuemodel.Status{Gone: true}
	}
	return queuemodel.Status{
		UID: k.UID, GID: k.GID, CUID: k.CUID, CGID: k.CGID, Mode: k.Mode & 0o777,
		Bytes: k.Cbytes, Messages: k.Qnum, QBytes: k.Qbytes, LastSender: int(k.Lspid), LastReceiver: int(k.Lrpid),
	}
}

// counts is what a run was made of.
type counts struct {
	calls, waits, woken int
	states              int // the most that were possible at once
}

// runProgram runs one program against both, and leaves no queue and no sleeper
// behind. The error is a difference, told with the whole program.
func (c cast) runProgram(rules queuemodel.Rules, seed uint64, sum *counts) (err error) {
	p := newProgram(seed)
	creator, mode, qbytes := p.rng.IntN(len(c)), p.mode(), p.qbytes()
	id, err := c.makeQueue(creator, mode, qbytes)
	if err != nil {
		return err
	}
	m := queuemodel.New(rules, c.persons(), creator, mode, qbytes)
	told := []string{fmt.Sprintf("seed %d: queue of %d, mode %04o, %d bytes", seed, creator, mode, qbytes)}
	step := func(call queuemodel.Call) error {
		told = append(told, call.String())
		before := c.waiting()
		m.Call(call)
		sum.states = max(sum.states, m.States())
		if err := c.make(id, call); err != nil {
			return err
		}
		forMe := -1
		if call.Op == queuemodel.Signal {
			forMe = call.Target
		}
		answers, err := c.settled(forMe)
		if err != nil {
			return fmt.Errorf("%s\n%w", strings.Join(told, "\n"), err)
		}
		sum.calls++
		for i, a := range answers {
			if a != nil && before[i] {
				sum.woken++
			}
		}
		if call.Op != queuemodel.Signal && c[call.Actor].awaiting {
			sum.waits++
		}
		if err := m.Observe(answers, status(id)); err != nil {
			return fmt.Errorf("%s\n%w", strings.Join(told, "\n"), err)
		}
		return nil
	}
	for range 8 + p.rng.IntN(20) {
		var awake, asleep []int
		for i, waits := range c.waiting() {
			if waits {
				asleep = append(asleep, i)
			} else {
				awake = append(awake, i)
			}
		}
		if err = step(p.call(awake, asleep)); err != nil {
			break
		}
	}
	if err == nil {
		err = step(queuemodel.Call{Op: queuemodel.Remove})
	}
	_ = sys.MsgRemoveID(id) // after a difference the queue may still be there
	if err != nil {
		_, _ = c.settled(-1)
	}
	return err
}

func (c cast) waiting() []bool {
	list := make([]bool, len(c))
	for i, a := range c {
		list[i] = a.awaiting
	}
	return list
}
