package queuemodel

import (
	"fmt"
	"slices"
	"strings"
)

// KickRoom is how much a Kick raises msg_qbytes, in bytes, above the larger of
// the old size and what is queued.
const KickRoom = MaxSize

// maxStates bounds what a model keeps. A handful of processes never comes near.
const maxStates = 10000

// Model is every state that one queue can be in.
type Model struct {
	machine
	states []*state
}

// New is a fresh, empty queue.
func New(rules Rules, people []Person, creator int, mode uint32, qbytes uint64) *Model {
	p := people[creator]
	return &Model{machine{rules, people}, []*state{{
		status: Status{UID: p.UID, GID: p.GID, CUID: p.UID, CGID: p.GID, Mode: mode & 0o777, QBytes: qbytes},
		calls:  make([]Call, len(people)), answers: make([]*Answer, len(people)),
	}}}
}

// Call makes a call in every state and lets those whom it woke go on, in every
// order. The Actor must not be asleep.
func (m *Model) Call(c Call) {
	next := newSet()
	for _, s := range m.states {
		s = s.clone()
		if c.Op == Kick {
			m.kick(next, s, c)
			continue
		}
		m.call(s, c)
		next.add(s)
	}
	m.settle(next)
	m.states = next.quiet()
}

// kick is two IPC_SETs: whoever the first woke may run before the second, or after.
func (m *Model) kick(to *set, s *state, c Call) {
	st := s.stat()
	c.Op, c.UID, c.GID, c.Mode = Set, st.UID, st.GID, st.Mode&^0o022
	c.QBytes = max(st.QBytes, st.Bytes, st.Messages) + KickRoom
	m.call(s, c)
	if s.answers[c.Actor].Errno != 0 {
		to.add(s)
		return
	}
	between := newSet()
	between.add(s)
	m.settle(between)
	c.QBytes = st.QBytes
	for _, s := range between.list {
		s = s.clone()
		m.call(s, c)
		to.add(s)
	}
}

// settle adds what the states of a set can become when those who are ready run,
// one step of one of them at a time.
func (m *Model) settle(all *set) {
	for i := 0; i < len(all.list); i++ {
		s := all.list[i]
		for _, actor := range s.ready {
			next := s.clone()
			m.resume(next, actor)
			all.add(next)
		}
	}
}

// Asleep says whether an actor waits in a call, which every state agrees on
// after an Observe.
func (m *Model) Asleep(actor int) bool { return m.states[0].asleep(actor) }

// States is how many states are possible.
func (m *Model) States() int { return len(m.states) }

// Observe takes away the states that contradict what was seen: the answers that
// came since the last observation, by actor with nil for none, and the state of
// the queue. Its error says what would have been possible.
func (m *Model) Observe(answers []*Answer, st Status) error {
	left := newSet()
	for _, s := range m.states {
		if slices.EqualFunc(s.answers, answers, same) && s.stat() == st {
			s = s.clone()
			clear(s.answers)
			left.add(s)
		}
	}
	if len(left.list) == 0 {
		return fmt.Errorf("seen %s\nwith %+v\npossible were\n%s", list(answers), st, m.possible())
	}
	m.states = left.list
	return nil
}

func same(a, b *Answer) bool {
	if a == nil || b == nil {
		return a == b
	}
	// Bytes tell which message it was; without bytes nothing does.
	return a.Errno == b.Errno && a.Type == b.Type && a.Size == b.Size && (a.Serial == b.Serial || a.Size == 0)
}

func (m *Model) possible() string {
	var b strings.Builder
	for _, s := range m.states {
		fmt.Fprintf(&b, "  %s\n  with %+v\n  messages %v, receivers %v, senders %v\n", list(s.answers), s.stat(), s.messages, s.receivers, s.senders)
	}
	return b.String()
}

func list(answers []*Answer) string {
	var parts []string
	for actor, a := range answers {
		if a != nil {
			parts = append(parts, fmt.Sprintf("%d: %v", actor, a))
		}
	}
	if parts == nil {
		return "no answer"
	}
	return strings.Join(parts, "; ")
}

// set is different states, in the order in which they were found.
type set struct {
	list []*state
	keys map[string]bool
}

func newSet() *set { return &set{keys: map[string]bool{}} }

func (l *set) add(s *state) {
	k := s.key()
	if l.keys[k] {
		return
	}
	if len(l.list) == maxStates {
		panic(fmt.Sprintf("queuemodel: more than %d states", maxStates))
	}
	l.keys[k] = true
	l.list = append(l.list, s)
}

// quiet is those in which nobody is ready.
func (l *set) quiet() (list []*state) {
	for _, s := range l.list {
		if len(s.ready) == 0 {
			list = append(list, s)
		}
	}
	return list
}

func (s *state) key() string {
	var b strings.Builder
	slices.Sort(s.senders) // the kernel wakes all of them that fit, in no order that counts
	slices.Sort(s.ready)
	fmt.Fprint(&b, s.removed, s.status, s.messages, s.receivers, s.senders, s.ready)
	for _, a := range s.answers {
		if a == nil {
			b.WriteString("-;")
		} else {
			fmt.Fprint(&b, *a, ";")
		}
	}
	return b.String()
}
