package worker

import "sync"

// news wakes everyone who waits for something to change. The zero value is
// ready.
type news struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed at the next tell. Take it first, then look, then wait on it:
// a change in between is not missed.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}
