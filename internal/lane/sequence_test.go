package lane_test

import (
	"testing"

	"pgregory.net/rapid"

	"sallyport/internal/lane"
	"sallyport/pkg/sysvctl"
)

var anything = sysvctl.Any()

func typeOf(n int64) sysvctl.Type { return sysvctl.Type(n) }

// As long as there are few holes the set is exact, in whatever order they come.
func TestSequenceIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s lane.Sequence
		model := map[uint64]bool{}
		var low, high uint64
		for _, n := range rapid.SliceOfN(rapid.Uint64Range(1, 100), 1, 80).Draw(t, "numbers") {
			if s.Has(n) != model[n] {
				t.Fatalf("has %d: %v", n, s.Has(n))
			}
			s.Add(n)
			model[n] = true
			if low == 0 || n < low {
				low = n
			}
			high = max(high, n)
		}
		first, last := s.Bounds()
		if first != low || last != high || s.Gaps() != high-low+1-uint64(len(model)) {
			t.Fatalf("%d to %d, %d missing; the model has %d to %d, %d of them", first, last, s.Gaps(), low, high, len(model))
		}
	})
}

// With many holes the old ones are closed: still counted, but a number in one
// of them counts as come.
func TestSequenceIsBounded(t *testing.T) {
	var s lane.Sequence
	for n := uint64(1); n < 20_000; n += 2 {
		s.Add(n)
		if s.Spans() > 64 {
			t.Fatalf("%d spans", s.Spans())
		}
	}
	if got := s.Gaps(); got != 9_999 {
		t.Errorf("%d missing", got)
	}
	if !s.Has(2) || s.Has(19_998) {
		t.Error("an old hole is open, or a new one is closed")
	}
	s.Add(1<<64 - 1)
	if !s.Has(1<<64-1) || s.Has(1<<64-2) {
		t.Error("the largest number")
	}
}
