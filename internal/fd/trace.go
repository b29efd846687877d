package fd

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A Trace notes where each FD was made, for tests that look for the owner of a
// leak. It costs a stack a descriptor and is off unless StartTrace was called.
type Trace struct {
	mu   sync.Mutex
	open map[*FD]string
}

var tracing atomic.Pointer[Trace]

// StartTrace begins to note every FD that is made from now on. There is one
// trace at a time; a new one ends the one before.
func StartTrace() *Trace {
	t := &Trace{open: make(map[*FD]string)}
	tracing.Store(t)
	return t
}

// Stop ends the trace and returns the stacks at which descriptors were made
// that are still owned.
func (t *Trace) Stop() []string {
	tracing.CompareAndSwap(t, nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	var stacks []string
	for _, s := range t.open {
		stacks = append(stacks, s)
	}
	return stacks
}

func traceOpen(d *FD) {
	if t := tracing.Load(); t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.open[d] = string(debug.Stack())
	}
}

func traceClosed(d *FD) {
	if t := tracing.Load(); t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, d)
	}
}
