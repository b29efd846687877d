package control

import (
	"sync"
	"time"
)

// backlog is how many events a subscriber may lag behind: about 20 s of the
// sensor logger's demo.
const backlog = 1024

// memory is how many events a new follower is told of that came before it:
// enough for the starts of the workers of one configuration.
const memory = 32

// Hub gives every subscriber each event, in order. Publishing never blocks.
// The zero value is ready to use.
type Hub struct {
	mu     sync.Mutex
	subs   map[*Subscription]struct{}
	recent [][]byte // the last events that are no readings
	closed bool
}

// Subscription is one subscriber's queue of encoded events.
type Subscription struct {
	hub    *Hub
	lines  chan []byte
	missed uint64 // guarded by hub.mu
}

// Publish sends e, stamped with the time now, to everybody subscribed.
func (h *Hub) Publish(e Event) {
	line, err := Encode(time.Now(), e)
	if err != nil {
		return // a value JSON has no form for (NaN): frames with such are dropped before
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, routine := e.(Reading); !routine {
		h.recent = append(h.recent, line)
		h.recent = h.recent[max(0, len(h.recent)-memory):]
	}
	for s := range h.subs {
		s.put(line)
	}
}

// put is called with the hub's lock held.
func (s *Subscription) put(line []byte) {
	if s.missed > 0 {
		note, err := Encode(time.Now(), Missed{Events: s.missed})
		if err != nil || len(s.lines)+2 > cap(s.lines) {
			s.missed++
			return
		}
		s.lines <- note
		s.missed = 0
	}
	select {
	case s.lines <- line:
	default:
		s.missed++
	}
}

// Subscribe starts a queue with the last events that are no readings; Lines is
// closed after Cancel or Close.
func (h *Hub) Subscribe() *Subscription {
	s := &Subscription{hub: h, lines: make(chan []byte, backlog)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(s.lines)
		return s
	}
	if h.subs == nil {
		h.subs = make(map[*Subscription]struct{})
	}
	h.subs[s] = struct{}{}
	for _, line := range h.recent {
		s.lines <- line // memory is less than backlog
	}
	return s
}

// Lines gives the encoded events.
func (s *Subscription) Lines() <-chan []byte { return s.lines }

// Cancel ends the subscription. It may be called more than once.
func (s *Subscription) Cancel() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if _, found := s.hub.subs[s]; found {
		delete(s.hub.subs, s)
		close(s.lines)
	}
}

// Close ends every subscription after what is queued for it.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.subs {
		delete(h.subs, s)
		close(s.lines)
	}
}
