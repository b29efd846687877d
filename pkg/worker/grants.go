package worker

import (
	"os"
	"sync"
	"syscall"

	"sallyport/pkg/scmrights"
)

// grants is every descriptor that the supervisor handed over, by name. A new
// grant of a name replaces the old file, which is closed: the supervisor opens
// a device again after LOST, and the next segment after NEXT.
type grants struct {
	mu     sync.Mutex
	byName map[string]*grant
}

// grant is the present file of one name. Attributes keep a pointer to it, so a
// new grant reaches them without a look-up.
type grant struct {
	mu     sync.Mutex
	file   *os.File // nil while nothing is granted
	raw    syscall.RawConn
	times  int  // how often granted: NEXT waits for one more
	lost   bool // LOST was said and not answered yet
	pinned bool // a bell: lent to the lanes for good, never replaced
}

// cell is the grant called name; it exists, without a file, before it is granted.
func (gs *grants) cell(name string) *grant {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.byName[name]
	if g == nil {
		g = &grant{}
		if gs.byName == nil {
			gs.byName = map[string]*grant{}
		}
		gs.byName[name] = g
	}
	return g
}

// take owns the files of an event.
func (gs *grants) take(arrived []scmrights.Granted) {
	for _, a := range arrived {
		gs.cell(a.Name).set(a.File())
	}
}

// revoke closes the files of these names; the plugin then sees ErrNotGranted.
func (gs *grants) revoke(names []string) {
	for _, name := range names {
		gs.cell(name).clear()
	}
}

// close closes every file that is still held.
func (gs *grants) close() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.byName {
		g.clear()
	}
}

// set makes f the grant's file and closes the one before. The bells are the
// exception: the supervisor can only grant the same pipe again, and the lanes
// hold the first file of it.
func (g *grant) set(f *os.File) {
	g.mu.Lock()
	old := g.file
	if old != nil && g.pinned {
		old = f
	} else {
		g.file = f
		g.raw, _ = f.SyscallConn() // fails for a nil file only
	}
	g.times++
	g.lost = false
	g.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

func (g *grant) clear() {
	g.mu.Lock()
	old := g.file
	g.file, g.raw = nil, nil
	g.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// pin keeps the present file for the worker's life and returns it; nil while
// nothing is granted.
func (g *grant) pin() *os.File {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pinned = g.file != nil
	return g.file
}

// now is the present file, or the reason why there is none.
func (g *grant) now() (*os.File, syscall.RawConn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.lost:
		return nil, nil, ErrLost
	case g.file == nil:
		return nil, nil, ErrNotGranted
	}
	return g.file, g.raw, nil
}

// lose marks the grant as lost and reports whether that is new.
func (g *grant) lose() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := !g.lost
	g.lost = true
	return first
}

func (g *grant) granted() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.times
}
