package config

import (
	"fmt"
)

// buildQueue also checks the order of the bands: lanes are drained urgent first,
// then by the lowest number, so the numbers must say the same.
func (r *reader) buildQueue(n *node) Queue {
	q := Queue{Name: n.label, Isolation: get[string](n.t, "isolation", n), Pos: r.pos(n.rng)}
	names, numbers := map[string]int{}, map[uint16]int{}
	highest := band{}
	for _, urgency := range []string{"urgent", "routine"} {
		l := n.block(urgency)
		if l == nil {
			continue
		}
		lane := Lane{Bands: map[string]uint16{}, Bytes: int(get[uint64](l.t, "bytes", l))}
		for _, b := range get[[]band](l.t, "bands", l) {
			line := b.rng.Start.Line
			if first, twice := names[b.name]; twice {
				r.in(l, b.rng, fault{fmt.Sprintf("there are two bands %q in this queue", b.name), fmt.Sprintf("the first is on line %d", first), "rename one of them"})
			} else if first, twice := numbers[b.number]; twice {
				r.in(l, b.rng, fault{fmt.Sprintf("the number %d is taken", b.number), fmt.Sprintf("a band on line %d has it", first), "give each band a number of its own"})
			} else if urgency == "urgent" && b.number > highest.number {
				highest = b
			} else if urgency == "routine" && b.number < highest.number {
				r.in(l, b.rng, fault{fmt.Sprintf("the routine band %q has the number %d, below the urgent band %q with %d", b.name, b.number, highest.name, highest.number), "the lowest number is taken first, and urgent lanes come before routine lanes", fmt.Sprintf("give it a number above %d", highest.number)})
			}
			names[b.name], numbers[b.number] = line, line
			lane.Bands[b.name] = b.number
		}
		lane.Flood, lane.Key = get[Flood](l.t, "flood", l), get[int](l.t, "key", l)
		if q.Isolation == "shared" {
			lane.Flood = Flood{}
		}
		if urgency == "urgent" {
			q.Urgent = lane
			continue
		}
		lane.Full = get[string](l.t, "full", l)
		if lane.Full == "block" {
			if l.has("flood") && lane.Flood.Percent > 0 {
				r.in(l, l.at("flood"), fault{"flood does not go with full = \"block\"", "senders wait at a full lane, so that it is full means nothing", "remove flood"})
			}
			lane.Flood = Flood{}
		}
		q.Routine = lane
	}
	return q
}

// bands returns the names of all bands of the queue.
func (q *Queue) bands() []string {
	var names []string
	for _, lane := range []Lane{q.Urgent, q.Routine} {
		for name := range lane.Bands {
			names = append(names, name)
		}
	}
	return names
}
