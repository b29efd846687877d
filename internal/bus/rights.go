package bus

import (
	"maps"
	"slices"

	"sallyport/internal/lane"
)

// Rights are what the seccomp filter of a worker must allow: the ids of the
// queues that it sends to and receives from, those among the former where it may
// wait for room in the call (msgsnd without IPC_NOWAIT), and the sizes that it
// may send.
type Rights struct {
	Send, Receive []int32
	Block         []int32
	Sizes         []int
}

// Rights returns the rights of a worker, from the same table as the modes.
func (b *Bus) Rights(id uint32) Rights {
	var r Rights
	for _, row := range b.rows {
		if b.sends(row, id) {
			r.Send = append(r.Send, row.id())
			r.Sizes = append(r.Sizes, row.kind.frames()...)
			if row.full == lane.Block {
				r.Block = append(r.Block, row.id())
			}
		}
		if b.receives(row, id) {
			r.Receive = append(r.Receive, row.id())
		}
	}
	slices.Sort(r.Send)
	slices.Sort(r.Receive)
	slices.Sort(r.Block)
	slices.Sort(r.Sizes)
	r.Sizes = slices.Compact(r.Sizes)
	return r
}

// Outs returns where a worker sends, the taps of the supervisor last.
func (b *Bus) Outs(id uint32) []lane.Out {
	var outs []lane.Out
	for _, p := range b.pairs {
		if p.from == id {
			out := lane.Out{
				Queue: p.queue, To: p.to, Bell: bellOf + b.name(p.to), Bands: maps.Clone(p.bands),
				Urgent: p.urgentQueue.id(), Routine: p.routineQueue.id(), Ack: p.ackQueue.id(), Full: lane.DropNew,
			}
			if p.routineQueue != nil && p.routineQueue.full == lane.Block {
				out.Full = lane.Block
			}
			outs = append(outs, out)
		}
	}
	for _, s := range b.shares {
		for _, m := range s.senders {
			if m.ID == id {
				outs = append(outs, s.outs(m)...)
			}
		}
	}
	for _, q := range b.cfg.Queues {
		t := b.taps[tapKey{q.Name, id}]
		if t == nil {
			continue
		}
		i := slices.IndexFunc(b.cfg.Members, func(m Member) bool { return m.ID == id && m.Queue == q.Name })
		outs = append(outs, lane.Out{
			Queue: q.Name, To: Supervisor, Bell: bellOf + tapName, Bands: tapBands(q, b.cfg.Members[i]),
			Urgent: lane.NoLane, Routine: t.id(), Ack: lane.NoLane, Full: lane.DropNew,
		})
	}
	return outs
}

// Ins returns whom a worker hears.
func (b *Bus) Ins(id uint32) []lane.In {
	var ins []lane.In
	for _, p := range b.pairs {
		if p.to == id {
			ins = append(ins, lane.In{
				Queue: p.queue, From: p.from,
				Urgent: p.urgentQueue.id(), Routine: p.routineQueue.id(), Ack: p.ackQueue.id(),
			})
		}
	}
	for _, s := range b.shares {
		if has(s.receivers, id) {
			ins = append(ins, s.ins()...)
		}
	}
	return ins
}
