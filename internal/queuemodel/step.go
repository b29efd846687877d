package queuemodel

import (
	"slices"
	"syscall"
)

// machine is the rules with the people they are applied to.
type machine struct {
	rules  Rules
	people []Person
}

const (
	read  = 0o4
	write = 0o2
)

// allowed is the kernel's ipcperms: the first class that matches decides.
func (m *machine) allowed(s *state, actor int, bit uint32) bool {
	p, st := &m.people[actor], &s.status
	mode := st.Mode
	owner := p.UID == st.CUID || p.UID == st.UID
	group := p.in(st.CGID) || p.in(st.GID)
	if m.rules.AnyClassGrants {
		if owner && mode>>6&bit != 0 || group && mode>>3&bit != 0 || mode&bit != 0 {
			return true
		}
		return p.IPCOwner
	}
	switch {
	case owner:
		mode >>= 6
	case group:
		mode >>= 3
	}
	return mode&bit != 0 || p.IPCOwner
}

// controls says who may IPC_SET and IPC_RMID.
func (m *machine) controls(s *state, actor int) bool {
	p := &m.people[actor]
	return p.UID == s.status.UID || p.UID == s.status.CUID && !m.rules.CreatorForgot || p.SysAdmin
}

func (s *state) answer(actor int, a Answer) { s.answers[actor] = &a }

func (s *state) fail(actor int, e syscall.Errno) { s.answer(actor, Answer{Errno: e}) }

// call makes one system call, up to the moment in which it has an answer or
// sleeps. Those whom it wakes are in ready then.
func (m *machine) call(s *state, c Call) {
	if c.Op == Signal {
		if s.asleep(c.Target) {
			s.receivers, s.senders = without(s.receivers, c.Target), without(s.senders, c.Target)
			s.fail(c.Target, syscall.EINTR)
		}
		return
	}
	s.calls[c.Actor] = c
	switch {
	case c.Op == Send && (c.Size > MaxSize || c.Type < 1),
		c.Op == Receive && c.Flags&Copy != 0 && (c.Flags&Except != 0 || c.Flags&NoWait == 0),
		s.removed:
		s.fail(c.Actor, syscall.EINVAL)
		return
	}
	switch c.Op {
	case Send:
		m.send(s, c.Actor)
	case Receive:
		m.receive(s, c.Actor)
	case Stat:
		if !m.allowed(s, c.Actor, read) {
			s.fail(c.Actor, syscall.EACCES)
		} else {
			s.answer(c.Actor, Answer{})
		}
	case Set:
		m.set(s, c)
	case Remove:
		m.remove(s, c.Actor)
	}
}

func (m *machine) send(s *state, actor int) {
	c := &s.calls[actor]
	size := c.Size
	if m.rules.EmptyNeedsRoom {
		size = max(size, 1)
	}
	switch {
	case !m.allowed(s, actor, write):
		s.fail(actor, syscall.EACCES)
		return
	case s.fits(size), m.rules.RoomForWaiting && m.waitedFor(s, c):
	case c.Flags&NoWait != 0:
		s.fail(actor, syscall.EAGAIN)
		return
	default:
		s.senders = append(s.senders, actor)
		return
	}
	s.status.LastSender = m.people[actor].PID
	s.answer(actor, Answer{})
	if !m.deliver(s, c) {
		s.messages = append(s.messages, Message{Type: c.Type, Size: c.Size, Serial: c.Serial})
	}
}

func (m *machine) waitedFor(s *state, c *Call) bool {
	for _, r := range s.receivers {
		if m.rules.wants(&s.calls[r], c.Type) {
			return true
		}
	}
	return false
}

// deliver is the kernel's pipelined_send: the first receiver that waits for such
// a message gets it without the queue, and those before it whose buffer is too
// short are refused. Nobody's rights are looked at again.
func (m *machine) deliver(s *state, c *Call) bool {
	for _, r := range append([]int(nil), s.receivers...) {
		want := &s.calls[r]
		if !m.rules.wants(want, c.Type) {
			continue
		}
		s.receivers, s.ready = without(s.receivers, r), without(s.ready, r)
		if want.Size < c.Size && want.Flags&NoError == 0 {
			s.fail(r, syscall.E2BIG)
			continue
		}
		s.status.LastReceiver = m.people[r].TID
		if m.rules.ProcessReceived {
			s.status.LastReceiver = m.people[r].PID
		}
		s.answer(r, Answer{Type: c.Type, Size: min(c.Size, want.Size), Serial: c.Serial})
		return true
	}
	return false
}

func (m *machine) receive(s *state, actor int) {
	c := &s.calls[actor]
	if !m.allowed(s, actor, read) {
		s.fail(actor, syscall.EACCES)
		return
	}
	i := m.rules.find(s, c)
	if i < 0 {
		if c.Flags&NoWait != 0 {
			s.fail(actor, syscall.ENOMSG)
			return
		}
		s.receivers = append(s.receivers, actor)
		return
	}
	msg := s.messages[i]
	switch {
	case c.Size < msg.Size && c.Flags&NoError == 0:
		s.fail(actor, syscall.E2BIG)
		if m.rules.TooBigIsDropped {
			s.messages = append(s.messages[:i:i], s.messages[i+1:]...)
		}
		return
	case c.Flags&Copy != 0 && c.Size < msg.Size:
		s.fail(actor, syscall.EINVAL)
		return
	}
	s.answer(actor, Answer{Type: msg.Type, Size: min(c.Size, msg.Size), Serial: msg.Serial})
	if c.Flags&Copy != 0 && !m.rules.CopyTakes {
		return
	}
	s.messages = append(s.messages[:i:i], s.messages[i+1:]...)
	s.status.LastReceiver = m.people[actor].PID
	m.wakeSenders(s)
}

// wakeSenders wakes those whose message would fit, each judged alone.
func (m *machine) wakeSenders(s *state) {
	for _, a := range append([]int(nil), s.senders...) {
		if s.fits(s.calls[a].Size) {
			s.senders = without(s.senders, a)
			s.ready = append(s.ready, a)
		}
	}
}

func (m *machine) set(s *state, c Call) {
	if !m.controls(s, c.Actor) || c.QBytes > MaxBytes && !m.people[c.Actor].SysResource {
		s.fail(c.Actor, syscall.EPERM)
		return
	}
	s.answer(c.Actor, Answer{})
	s.status.UID, s.status.GID, s.status.Mode, s.status.QBytes = c.UID, c.GID, c.Mode&0o777, c.QBytes
	if !m.rules.ReceiversSleep {
		for _, r := range s.receivers {
			s.ready = append(without(s.ready, r), r)
		}
	}
	if !m.rules.SendersSleepOn {
		m.wakeSenders(s)
	}
}

func (m *machine) remove(s *state, actor int) {
	if !m.controls(s, actor) {
		s.fail(actor, syscall.EPERM)
		return
	}
	s.answer(actor, Answer{})
	end := syscall.EIDRM
	if m.rules.RemoveIsSilent {
		end = syscall.EINVAL
	}
	for _, a := range append(append(append([]int(nil), s.receivers...), s.senders...), s.ready...) {
		s.fail(a, end)
	}
	s.removed, s.messages, s.receivers, s.senders, s.ready = true, nil, nil, nil, nil
}

// resume lets one who was woken take the lock once. A sender tries again under
// it. A receiver only leaves the list, gives the lock back, and must come for it
// again: what is sent in between goes into the queue, and it finds it there as one
// who never waited.
func (m *machine) resume(s *state, actor int) {
	listed := slices.Contains(s.receivers, actor)
	s.receivers = without(s.receivers, actor)
	if listed {
		return
	}
	s.ready = without(s.ready, actor)
	if s.calls[actor].Op == Send {
		m.send(s, actor)
		return
	}
	m.receive(s, actor)
}
