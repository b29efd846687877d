package kill

import (
	"math/rand/v2"

	"sallyport/pkg/scmrights"
)

// Points are the failpoints of pkg/scmrights, in the order of the protocol.
var (
	ParentPoints = []string{"P2", "P3", "P4", "P5", "P6", "P7"}
	WorkerPoints = []string{"W2", "W3", "W4", "W5", "W6"}
)

// Any moment between two failpoints.
const (
	AnyParent = "P*"
	AnyWorker = "W*"
)

// longest is what a hand-over takes at most on a machine with nothing else to
// do, in microseconds.
const longest = 1500

// kills lists every hit of every failpoint of a hand-over with this many
// offers: what the parent can die of, and the worker.
func kills(offers int, exclusive bool) (parent, worker []Kill) {
	for _, p := range ParentPoints {
		hits := offers
		if p == "P6" && exclusive {
			hits = 2 * offers // before COMMIT too
		}
		for n := 1; n <= hits; n++ {
			parent = append(parent, Kill{p, n})
		}
	}
	for _, p := range WorkerPoints {
		hits := offers
		switch p {
		case "W2":
			hits = 1
		case "W3":
			hits = offers + 1 // WELCOME
		}
		for n := 1; n <= hits; n++ {
			worker = append(worker, Kill{p, n})
		}
	}
	return parent, worker
}

// Exhaustive is every history with one kill, and, in modes for which deep says
// so, every one with two: in the same hand-over, or in that of the successor.
// It is made for every mode, with this many offers of two descriptors each.
func Exhaustive(offers int, deep func(scmrights.Mode) bool) []History {
	var all []History
	for mode, row := range modes {
		var items []Item
		for batch := range offers {
			items = append(items, Item{mode, 0, batch}, Item{mode, 1, batch})
		}
		for _, rounds := range plans(offers, row.alone, deep(row.mode)) {
			all = append(all, History{items, rounds})
		}
	}
	return all
}

func plans(offers int, exclusive, deep bool) (rows [][]Round) {
	parent, worker := kills(offers, exclusive)
	var single []Round
	for _, k := range parent {
		single = append(single, Round{Parent: k})
	}
	for _, k := range worker {
		single = append(single, Round{Worker: k})
	}
	for _, first := range single {
		rows = append(rows, []Round{first})
		if !deep {
			continue
		}
		for _, second := range single {
			rows = append(rows, []Round{first, second})
		}
	}
	if !deep {
		return rows
	}
	for _, p := range parent {
		for _, w := range worker {
			rows = append(rows, []Round{{Parent: p, Worker: w}})
		}
	}
	return rows
}

// Random is history number n of a seed: one to three rounds of kills, up to
// three offers of up to four descriptors, each of any mode and sort.
func Random(seed, n uint64) History {
	random := rand.New(rand.NewPCG(seed, n))
	var h History
	offers := 1 + random.IntN(3)
	for batch := range offers {
		exclusive := random.IntN(4) == 0
		for range 1 + random.IntN(4) {
			sort := random.IntN(2)
			if random.IntN(32) == 0 {
				sort = 2 // a pty costs more than all the rest
			}
			mode := random.IntN(len(modes))
			if exclusive != modes[mode].alone { // an offer is exclusive as a whole or not at all
				mode = 0
				if exclusive {
					mode = len(modes) - 1
				}
			}
			h.Items = append(h.Items, Item{mode, sort, batch})
		}
	}
	parent, worker := kills(offers, false)
	for range 1 + random.IntN(3) {
		var r Round
		which := random.IntN(5)
		if which < 2 || which == 4 {
			r.Parent = pick(random, append(parent, Kill{AnyParent, random.IntN(longest)}))
		}
		if which >= 2 {
			r.Worker = pick(random, append(worker, Kill{AnyWorker, random.IntN(longest)}))
		}
		h.Rounds = append(h.Rounds, r)
	}
	return h
}

// pick takes a failpoint first, and then one of its hits: so all failpoints are
// as likely as each other.
func pick(random *rand.Rand, all []Kill) Kill {
	var points []string
	for _, k := range all {
		if len(points) == 0 || points[len(points)-1] != k.Point {
			points = append(points, k.Point)
		}
	}
	point := points[random.IntN(len(points))]
	var hits []Kill
	for _, k := range all {
		if k.Point == point {
			hits = append(hits, k)
		}
	}
	return hits[random.IntN(len(hits))]
}

// RandomInjection is case number n of a seed.
func RandomInjection(seed, n uint64) (History, Injection) {
	h := Random(seed, n)
	h.Rounds = nil
	random := rand.New(rand.NewPCG(seed, ^n))
	return h, Injection{
		Worker: random.IntN(2) == 0,
		Call:   Calls[random.IntN(len(Calls))],
		Errno:  Errnos[random.IntN(len(Errnos))],
		When:   1 + random.IntN(6),
	}
}
