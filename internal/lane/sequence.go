package lane

import "slices"

// maxSpans bounds the memory that a sender can make a receiver spend by
// skipping numbers.
const maxSpans = 64

// span is a run of sequence numbers that all came, both ends included.
type span struct{ low, high uint64 }

// sequence is the set of numbers that came on one lane under one epoch. A lane
// is not in order: the lowest type is taken first, and an alert that found the
// lane full is sent after its successors. So a number is missing only as long
// as it has not come, and has come twice exactly when it is in the set.
//
// Nothing is expected before the first number that came: a receiver that is
// itself new begins in the middle.
type sequence struct {
	spans  []span // ascending, with holes between them
	closed uint64 // numbers in holes that are no longer remembered one by one
}

func (s *sequence) has(n uint64) bool {
	i, _ := s.at(n)
	return i < len(s.spans) && s.spans[i].low <= n
}

func (s *sequence) add(n uint64) {
	if s.has(n) {
		return
	}
	i, _ := s.at(n)
	joinsLeft := i > 0 && s.spans[i-1].high+1 == n
	joinsRight := i < len(s.spans) && s.spans[i].low-1 == n
	switch {
	case joinsLeft && joinsRight:
		s.spans[i-1].high = s.spans[i].high
		s.spans = slices.Delete(s.spans, i, i+1)
	case joinsLeft:
		s.spans[i-1].high = n
	case joinsRight:
		s.spans[i].low = n
	default:
		s.spans = slices.Insert(s.spans, i, span{n, n})
	}
	if len(s.spans) > maxSpans {
		s.closed += s.spans[1].low - s.spans[0].high - 1
		s.spans[1].low = s.spans[0].low
		s.spans = slices.Delete(s.spans, 0, 1)
	}
}

// at is the index of the first span that does not end before n.
func (s *sequence) at(n uint64) (int, bool) {
	return slices.BinarySearchFunc(s.spans, n, func(sp span, n uint64) int {
		switch {
		case sp.high < n:
			return -1
		case sp.low > n:
			return 1
		}
		return 0
	})
}

// bounds returns the lowest and the highest number, 0 and 0 when none came.
func (s *sequence) bounds() (first, last uint64) {
	if len(s.spans) == 0 {
		return 0, 0
	}
	return s.spans[0].low, s.spans[len(s.spans)-1].high
}

// gaps counts the numbers between the bounds that have not come.
func (s *sequence) gaps() uint64 {
	n := s.closed
	for i := 1; i < len(s.spans); i++ {
		n += s.spans[i].low - s.spans[i-1].high - 1
	}
	return n
}
