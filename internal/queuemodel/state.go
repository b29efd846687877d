package queuemodel

import (
	"math"
	"slices"
)

// MaxSize is kernel.msgmax, MaxBytes kernel.msgmnb, where nobody changed them.
const (
	MaxSize  = 8192
	MaxBytes = 16384
)

// state is one thing that the queue and its users can be: the kernel's struct
// msg_queue, and who sleeps where in its calls.
type state struct {
	removed   bool
	status    Status // but Bytes and Messages, which follow from messages
	messages  []Message
	receivers []int // asleep, in the order in which they are served
	senders   []int // asleep
	ready     []int // woken, and not yet through; a receiver is at first still in receivers
	calls     []Call
	answers   []*Answer // since the last observation, by actor
}

func (s *state) clone() *state {
	c := *s
	c.messages = slices.Clone(s.messages)
	c.receivers = slices.Clone(s.receivers)
	c.senders = slices.Clone(s.senders)
	c.ready = slices.Clone(s.ready)
	c.calls = slices.Clone(s.calls)
	c.answers = slices.Clone(s.answers)
	return &c
}

func (s *state) bytes() (n uint64) {
	for _, m := range s.messages {
		n += uint64(m.Size)
	}
	return n
}

func (s *state) fits(size int) bool {
	return s.bytes()+uint64(size) <= s.status.QBytes && uint64(len(s.messages))+1 <= s.status.QBytes
}

func (s *state) asleep(actor int) bool {
	return slices.Contains(s.receivers, actor) || slices.Contains(s.senders, actor)
}

func (s *state) stat() Status {
	if s.removed {
		return Status{Gone: true}
	}
	st := s.status
	st.Bytes, st.Messages = s.bytes(), uint64(len(s.messages))
	return st
}

func without(list []int, actor int) []int {
	return slices.DeleteFunc(list, func(a int) bool { return a == actor })
}

// wants is the kernel's testmsg: would this receive take a message of type t.
func (r *Rules) wants(c *Call, t int64) bool {
	switch {
	case c.Type == 0:
		return true
	case c.Type < 0:
		if r.BoundExcluded {
			return t < bound(c.Type)
		}
		return t <= bound(c.Type)
	case c.Flags&Except != 0:
		return t != c.Type
	}
	return t == c.Type
}

// bound is the absolute value; the smallest long has none and counts as the largest.
func bound(t int64) int64 {
	if t == math.MinInt64 {
		return math.MaxInt64
	}
	return -t
}

// find is the kernel's find_msg: the index of the message to take, or -1.
func (r *Rules) find(s *state, c *Call) int {
	if c.Flags&Copy != 0 {
		if c.Type >= 0 && c.Type < int64(len(s.messages)) {
			return int(c.Type)
		}
		return -1
	}
	best := -1
	for i, m := range s.messages {
		if !r.wants(c, m.Type) {
			continue
		}
		if c.Type >= 0 || r.OldestBelow {
			return i
		}
		if best < 0 || m.Type < s.messages[best].Type {
			best = i
		}
	}
	return best
}
