package attest

import (
	"time"

	"sallyport/internal/launch"
)

// Estate is what was found of a process, for a successor of this program that
// watches over the same process. It can be encoded as JSON.
type Estate struct {
	Level        int
	Threads      int
	Filter, Dump [32]byte
	Taken        time.Time
	Took         []time.Duration
}

// Estate gives what Adopt needs.
func (f *Proof) Estate() Estate {
	return Estate{Level: f.level, Threads: f.threads, Filter: f.filter, Dump: f.dump, Taken: f.taken, Took: f.took}
}

// Adopt makes the proof of a process again that a predecessor in this very process
// has taken. What was proved then cannot be undone by the worker: a filter is for
// ever, and so are rights that were given away. Check still looks at the process.
func Adopt(p *launch.Process, e Estate) *Proof {
	return &Proof{level: e.Level, p: p, threads: e.Threads, filter: e.Filter, dump: e.Dump, taken: e.Taken, took: e.Took}
}
