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

// logMemory is how many lines of the log are kept for `logs`.
const logMemory = 512

// Hub gives every subscriber each event, in order. Publishing never blocks.
// The zero value is ready to use.
type Hub struct {
	mu     sync.Mutex
	subs   map[*Subscription]struct{}
	recent [][]byte // the last events that are no readings
	logged [][]byte // the last lines of the log
	closed bool
}

// Subscription is one subscriber's queue of encoded events.
type Subscription struct {
	hub    *Hub
	logs   bool // takes the log, and nothing else
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
	isLog := false
	switch e.(type) {
	case Reading:
	case Log:
		isLog = true
		h.logged = keep(h.logged, line, logMemory)
	default:
		h.recent = keep(h.recent, line, memory)
	}
	for s := range h.subs {
		if s.logs == isLog {
			s.put(line)
		}
	}
}

// keep appends a line and drops the first beyond most.
func keep(lines [][]byte, line []byte, most int) [][]byte {
	lines = append(lines, line)
	return lines[max(0, len(lines)-most):]
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
func (h *Hub) Subscribe() *Subscription { return h.subscribe(false) }

// SubscribeLogs is Subscribe for the lines of the log, which Subscribe leaves out.
func (h *Hub) SubscribeLogs() *Subscription { return h.subscribe(true) }

func (h *Hub) subscribe(logs bool) *Subscription {
	s := &Subscription{hub: h, logs: logs, lines: make(chan []byte, backlog)}
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
	past := h.recent
	if logs {
		past = h.logged
	}
	for _, line := range past {
		s.lines <- line // either memory is less than backlog
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
