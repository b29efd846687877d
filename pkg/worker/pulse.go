package worker

import (
	"sync"
	"sync/atomic"
)

// pulse knows whether the plugin comes back from its own code. ALIVE is said by a
// goroutine of the SDK, which runs on when the plugin hangs: so it is said only
// while every loop of the SDK that the plugin is in (Every, Items, Batches) went
// on since it was said last. A plugin that is in none of them, such as one that
// serves connections, is alive as long as its process is.
type pulse struct {
	mu    sync.Mutex
	loops map[*turns]struct{}
	waits atomic.Int32 // calls of the SDK that wait by rule: full = "block"
}

// turns counts the changes between the SDK's code and the plugin's in one loop:
// an odd number is the plugin's.
type turns struct {
	changes atomic.Uint64
	said    uint64 // changes when it was looked at; guarded by the pulse
}

func (p *pulse) begin() *turns {
	l := &turns{}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loops == nil {
		p.loops = map[*turns]struct{}{}
	}
	p.loops[l] = struct{}{}
	return l
}

func (p *pulse) end(l *turns) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.loops, l)
}

// plugin is to be called before and after the plugin's code.
func (l *turns) plugin() { l.changes.Add(1) }

// beats looks at all loops. One that is in the same turn of the plugin's code as
// at the last look has no pulse, nor has the plugin then.
func (p *pulse) beats() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	alive := true
	for l := range p.loops {
		now := l.changes.Load()
		alive = alive && (now%2 == 0 || now != l.said)
		l.said = now
	}
	return alive || p.waits.Load() > 0
}
