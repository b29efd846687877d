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
	var next []*state
	for _, s := range m.states {
		s = s.clone()
		if c.Op == Kick {
			next = append(next, m.kick(s, c)...)
			continue
		}
		m.call(s, c)
		next = append(next, m.settle(s, nil)...)
	}
	m.states = distinct(next)
}

// kick is two IPC_SETs: whoever the first woke may run before the second, or after.
func (m *Model) kick(s *state, c Call) []*state {
	st := s.stat()
	c.Op, c.UID, c.GID, c.Mode = Set, st.UID, st.GID, st.Mode&^0o022
	c.QBytes = max(st.QBytes, st.Bytes, st.Messages) + KickRoom
	m.call(s, c)
	if a := s.answers[c.Actor]; a.Errno != 0 {
		return []*state{s}
	}
	var between, after []*state
	between = append(between, s.clone())
	m.settle(s, func(s *state) { between = append(between, s.clone()) })
	c.QBytes = st.QBytes
	for _, s := range between {
		m.call(s, c)
		after = append(after, m.settle(s, nil)...)
	}
	return after
}

// settle runs those who are ready until none is, in every order. Each step on
// the way is shown to seen, which may be nil.
func (m *Model) settle(s *state, seen func(*state)) []*state {
	if len(s.ready) == 0 {
		return []*state{s}
	}
	var out []*state
	for _, actor := range s.ready {
		next := s.clone()
		m.resume(next, actor)
		if seen != nil {
			seen(next)
		}
		out = append(out, m.settle(next, seen)...)
	}
	return distinct(out)
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
	var left []*state
	for _, s := range m.states {
		if slices.EqualFunc(s.answers, answers, same) && s.stat() == st {
			left = append(left, s)
		}
	}
	if len(left) == 0 {
		return fmt.Errorf("seen %s\nwith %+v\npossible were\n%s", list(answers), st, m.possible())
	}
	for _, s := range left {
		clear(s.answers)
	}
	m.states = distinct(left)
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

func distinct(states []*state) []*state {
	if len(states) < 2 {
		return states
	}
	seen := map[string]bool{}
	var out []*state
	for _, s := range states {
		if k := s.key(); !seen[k] {
			seen[k] = true
			out = append(out, s)
		}
	}
	if len(out) > maxStates {
		panic(fmt.Sprintf("queuemodel: %d states", len(out)))
	}
	return out
}

func (s *state) key() string {
	var b strings.Builder
	slices.Sort(s.senders) // the kernel wakes all of them that fit, in no order that counts
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
