package lane

import "sallyport/internal/reading"

// rota is a set of lanes that are served in turn, so that a sender who never
// stops cannot keep the others of its urgency out.
type rota struct {
	lanes []*inLane
	turn  int
}

// next returns a frame and its lane, or no lane.
func (s *rota) next(r *Receiver) (*inLane, reading.Frame, error) {
	for i := range s.lanes {
		at := (s.turn + i) % len(s.lanes)
		l := s.lanes[at]
		if l.removed {
			continue
		}
		f, found, err := l.take(r)
		if err != nil {
			return nil, f, err
		}
		if found {
			s.turn = at + 1
			return l, f, nil
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
