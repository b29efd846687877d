package lane

// Sequence is the set of sequence numbers, for its model test.
type Sequence = sequence

func (s *sequence) Has(n uint64) bool     { return s.has(n) }
func (s *sequence) Add(n uint64)          { s.add(n) }
func (s *sequence) Gaps() uint64          { return s.gaps() }
func (s *sequence) Bounds() (a, b uint64) { return s.bounds() }
func (s *sequence) Spans() int            { return len(s.spans) }
