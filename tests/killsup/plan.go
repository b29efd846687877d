package killsup

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// The failpoints of the two sides, and what else can end a process: a SIGKILL
// from outside at any moment of a start (S*), of a life (P*), of an ordered stop
// (T*), and of a worker (W*).
var (
	ParentPoints = []string{"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "P14", "P15", "P16"}
	WorkerPoints = []string{"W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10"}
)

const (
	anyStart  = "S*"
	anyParent = "P*"
	anyStop   = "T*"
	anyWorker = "W*"
)

// life is what happens to one process of the supervisor.
type life struct {
	early  end // before it is ready; the zero value: not then
	cycles []cycle
	last   end
	tear   int // bytes that the day file loses afterwards
}

// end is the death of a supervisor: at the nth hit of a point, or micros after
// what precedes it at S*, P* or T*. Stop says that an ordered stop is to bring it
// to the point, else the death of a worker is.
type end struct {
	point  string
	nth    int
	micros int
	stop   bool
}

// cycle is one or two deaths of a worker: from outside, micros after the last
// one was got over, and, with a point, its successor at the nth hit of that.
type cycle struct {
	worker string
	micros int
	point  string
	nth    int
}

func (e end) String() string {
	how := ""
	if e.stop {
		how = " at the stop"
	}
	return fmt.Sprintf("%s:%d %dus%s", e.point, e.nth, e.micros, how)
}

func (c cycle) String() string {
	return fmt.Sprintf("%s after %dus, then %s:%d", c.worker, c.micros, c.point, c.nth)
}

// at is the life number n of a seed. The first ones of every seed go through the
// points of both sides in turn; later ones are random.
func at(seed, n uint64, cycles int) life {
	r := rand.New(rand.NewPCG(seed, n))
	var l life
	first := n < uint64(len(ParentPoints))
	point := ParentPoints[r.IntN(len(ParentPoints))]
	if first {
		point = ParentPoints[n]
	}
	switch kind := r.IntN(8); {
	case point == "P8":
		l.early = end{point: point, nth: 1}
	case first || kind < 4:
		l.last = lastAt(r, point)
	case kind == 4 && slices.Contains(starting, point):
		l.early = end{point: point, nth: 1 + r.IntN(3)}
	case kind == 5:
		l.early = end{point: anyStart, micros: r.IntN(150_000)}
	case kind == 6:
		l.last = end{point: anyStop, micros: r.IntN(60_000), stop: true}
	default:
		l.last = end{point: anyParent, micros: r.IntN(40_000)}
	}
	if l.early.point == "" {
		for i := range cycles {
			c := cycle{worker: workers[r.IntN(len(workers))].name, micros: r.IntN(20_000)}
			if first || r.IntN(2) == 0 {
				at := r.IntN(len(WorkerPoints))
				if first {
					at = (int(n)*cycles + i) % len(WorkerPoints)
				}
				c.point, c.nth = WorkerPoints[at], 1
			}
			switch c.point {
			case "W3": // WELCOME, the OFFER, START, an acknowledgement
				c.nth = 1 + r.IntN(4)
			case "W9", "W10": // only who sends comes there
				c.worker, c.nth = "sampler", 1+r.IntN(40)
			}
			l.cycles = append(l.cycles, c)
		}
	}
	l.tear = r.IntN(2) * (1 + r.IntN(30))
	return l
}

// starting are the points that a supervisor passes before its workers are ready.
var starting = []string{"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P9", "P10"}

// lastAt chooses what brings a supervisor to a point.
func lastAt(r *rand.Rand, point string) end {
	e := end{point: point, nth: 1}
	switch point {
	case "P12", "P13", "P16":
		e.stop = true
	case "P11", "P14", "P15":
		if e.stop = r.IntN(2) == 0; e.stop {
			e.nth = 1 + r.IntN(3)
		}
	}
	return e
}
