package bus

import (
	"slices"

	"sallyport/internal/lane"
)

// share are the lanes of a shared queue: one pair for all, and for each sender of
// alerts one on which any receiver acknowledges them. A message goes to one of
// the receivers, whoever is first.
//
//	lane      sender             receiver            mode when open
//	urgent    any of senders     any of receivers    0666
//	routine   any of senders     any of receivers    0666
//	ack       any of receivers   the sender          0642, its group
//
// Modes have one group, so they cannot tell senders from receivers here: filters
// do, and a program that is no worker may do either. A lane closes when the last
// of its senders is revoked.
type share struct {
	queue              Queue
	senders, receivers []Member
	urgent, routine    *row
	acks               map[uint32]*row // by sender of alerts
}

func (b *Bus) planShared(q Queue, add func(*row) *row) {
	s := &share{queue: q, acks: map[uint32]*row{}}
	for _, m := range b.cfg.Members {
		if m.Queue != q.Name {
			continue
		}
		if len(m.Send) > 0 {
			s.senders = append(s.senders, m)
		}
		if len(m.Receive) > 0 {
			s.receivers = append(s.receivers, m)
		}
	}
	s.urgent = add(&row{queue: q.Name, kind: urgent, sender: lane.Anyone, receiver: lane.Anyone, wanted: orDefault(q.UrgentBytes, defaultLane), key: q.UrgentKey})
	s.routine = add(&row{queue: q.Name, kind: routine, sender: lane.Anyone, receiver: lane.Anyone, wanted: orDefault(q.RoutineBytes, defaultLane), key: q.RoutineKey})
	for _, m := range s.senders {
		p := pair{bands: map[string]uint16{}}
		if p.take(q.UrgentBands, m.Send, []string{"*"}) {
			s.acks[m.ID] = add(&row{queue: q.Name, kind: ack, sender: lane.Anyone, receiver: m.ID, wanted: ackLane})
		}
	}
	b.shares = append(b.shares, s)
}

// sends says whether a worker may send on a lane, and receives the other end.
func (b *Bus) sends(r *row, id uint32) bool {
	if r.sender != lane.Anyone {
		return r.sender == id
	}
	s := b.share(r)
	if r.kind == ack {
		return has(s.receivers, id)
	}
	return has(s.senders, id)
}

func (b *Bus) receives(r *row, id uint32) bool {
	if r.receiver != lane.Anyone {
		return r.receiver == id
	}
	return has(b.share(r).receivers, id)
}

func (b *Bus) share(r *row) *share {
	i := slices.IndexFunc(b.shares, func(s *share) bool { return s.queue.Name == r.queue })
	return b.shares[i] // planShared made both
}

func has(members []Member, id uint32) bool {
	return slices.ContainsFunc(members, func(m Member) bool { return m.ID == id })
}

// outs are the lanes of one sender, with the bell of the first receiver, and the
// bells of the others.
func (s *share) outs(m Member) []lane.Out {
	bands := tapBands(s.queue, m)
	first := lane.Out{Queue: s.queue.Name, To: lane.Anyone, Bands: bands,
		Urgent: s.urgent.id(), Routine: s.routine.id(), Ack: s.acks[m.ID].id(), Full: lane.DropNew}
	outs := []lane.Out{first}
	for i, r := range s.receivers {
		if i == 0 {
			outs[0].Bell = bellOf + r.Name
			continue
		}
		outs = append(outs, lane.Out{Queue: s.queue.Name, To: lane.Anyone, Bell: bellOf + r.Name, Bands: bands,
			Urgent: lane.NoLane, Routine: lane.NoLane, Ack: lane.NoLane, Full: lane.DropNew})
	}
	return outs
}

// ins are the senders that a receiver knows, and Anyone.
func (s *share) ins() []lane.In {
	var ins []lane.In
	one := func(from uint32, ack *row) {
		ins = append(ins, lane.In{Queue: s.queue.Name, From: from, Urgent: s.urgent.id(), Routine: s.routine.id(), Ack: ack.id()})
	}
	for _, m := range s.senders {
		one(m.ID, s.acks[m.ID])
	}
	one(lane.Anyone, nil)
	return ins
}
