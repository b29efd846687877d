package kill

import "math/rand/v2"

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
func kills(offers int) (parent, worker []Kill) {
	for _, p := range ParentPoints {
		for n := 1; n <= offers; n++ {
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

// Exhaustive is every history with one kill, and every one with two: in the
// same hand-over, or in that of the successor. It is made for every mode, with
// this many offers of two descriptors each.
func Exhaustive(offers int) []History {
	parent, worker := kills(offers)
	var single []Round
	for _, k := range parent {
		single = append(single, Round{Parent: k})
	}
	for _, k := range worker {
		single = append(single, Round{Worker: k})
	}
	var rows [][]Round
	for _, first := range single {
		rows = append(rows, []Round{first})
		for _, second := range single {
			rows = append(rows, []Round{first, second})
		}
	}
	for _, p := range parent {
		for _, w := range worker {
			rows = append(rows, []Round{{Parent: p, Worker: w}})
		}
	}
	var all []History
	for mode := range modes {
		var items []Item
		for batch := range offers {
			items = append(items, Item{mode, 0, batch}, Item{mode, 1, batch})
		}
		for _, rounds := range rows {
			all = append(all, History{items, rounds})
		}
	}
	return all
}

// Random is history number n of a seed: one to three rounds of kills, up to
// three offers of up to four descriptors, each of any mode and sort.
func Random(seed, n uint64) History {
	random := rand.New(rand.NewPCG(seed, n))
	var h History
	offers := 1 + random.IntN(3)
	for batch := range offers {
		for range 1 + random.IntN(4) {
			sort := random.IntN(2)
			if random.IntN(32) == 0 {
				sort = 2 // a pty costs more than all the rest
			}
			h.Items = append(h.Items, Item{random.IntN(len(modes)), sort, batch})
		}
	}
	parent, worker := kills(offers)
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
