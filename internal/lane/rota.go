package lane

import (
	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

// rota is a set of lanes that are served in turn, so that a sender who never
// stops cannot keep the others of its urgency out.
type rota struct {
	lanes []*inLane
	turn  int
}

// add attaches one more lane, or to a queue that is there already one more of
// those who share it.
func (s *rota) add(id int32, l *inLane) {
	if id < 0 {
		return
	}
	for _, head := range s.lanes {
		if head.queue.ID() == sysvctl.ID(id) {
			head.others = append(head.others, l)
			head.shared, l.shared = true, true
			return
		}
	}
	l.queue, l.shared = attach(id), l.from == Anyone
	s.lanes = append(s.lanes, l)
}

// next returns a frame and its lane, or no lane.
func (s *rota) next(r *Receiver) (*inLane, reading.Frame, error) {
	for i := range s.lanes {
		at := (s.turn + i) % len(s.lanes)
		l := s.lanes[at]
		if l.removed {
			continue
		}
		from, f, err := l.take(r)
		if err != nil {
			return nil, f, err
		}
		if from != nil {
			s.turn = at + 1
			return from, f, nil
		}
	}
	return nil, reading.Frame{}, nil
}

// gone says that no lane is left.
func (s *rota) gone() bool {
	for _, l := range s.lanes {
		if !l.removed {
			return false
		}
	}
	return true
}

func (s *rota) counts(to []Count) []Count {
	for _, l := range s.lanes {
		to = l.counts(to)
		for _, o := range l.others {
			to = o.counts(to)
		}
	}
	return to
}

type rejection struct {
	from   uint32
	reason error
}

func (s *rota) takeRejected(to []rejection) []rejection {
	for _, l := range s.lanes {
		for _, reason := range l.reasons {
			to = append(to, rejection{l.from, reason})
		}
		l.reasons = l.reasons[:0]
	}
	return to
}
