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

// recalled is what a REVOKE takes, in the same unit.
const recalled = 400

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
		for _, rounds := range disturbed(offers, row.alone, row.mode == scmrights.ModeLend) {
			all = append(all, History{items, rounds})
		}
	}
	return all
}

// disturbed are rounds in which something other than a death happens as well: the
// first OFFER is cut, so that what was in it is sent again, or what was lent is
// called back.
func disturbed(offers int, exclusive, lent bool) (rows [][]Round) {
	parent, worker := kills(2*offers, exclusive) // as many records again
	for _, k := range parent {
		rows = append(rows, []Round{{Parent: k, Narrow: 1 + k.Nth%3}})
	}
	for _, k := range worker {
		if k.Point != "W2" { // it is passed before
			rows = append(rows, []Round{{Worker: k, Narrow: 1 + k.Nth%3}})
		}
	}
	if lent {
		rows = append(rows, []Round{{Recall: true}}, []Round{{Recall: true, Worker: recallPoint(offers)}},
			[]Round{{Recall: true, Worker: Kill{AnyWorker, 100}}}, []Round{{Recall: true, Late: Kill{AnyParent, 100}}})
	}
	return rows
}

// recallPoint is the worker's W3 of the REVOKE, after WELCOME and the offers.
func recallPoint(offers int) Kill { return Kill{"W3", offers + 2} }

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
		switch random.IntN(6) {
		case 0:
			r.Narrow = 1 + random.IntN(4)
		case 1:
			r.Recall = true
			switch random.IntN(4) {
			case 0:
				r.Parent, r.Worker = Kill{}, recallPoint(offers)
			case 1:
				r.Parent, r.Worker = Kill{}, Kill{AnyWorker, random.IntN(recalled)}
			case 2:
				r.Parent, r.Worker, r.Late = Kill{}, Kill{}, Kill{AnyParent, random.IntN(recalled)}
			case 3:
				r.Parent, r.Worker = Kill{}, Kill{}
			}
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
