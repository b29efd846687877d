package scmrights

import "sallyport/internal/fd"

// Recode decodes a record and encodes it again: every record that is accepted
// has exactly one encoding.
func Recode(b []byte) ([]byte, error) {
	r, err := decodeRecord(b)
	if err != nil {
		return nil, err
	}
	return appendRecord(nil, r.frame, r.slots, r.payload), nil
}

// RecodeReceipt is Recode for a full receipt.
func RecodeReceipt(b []byte, epoch uint32, seq uint64, slots int) ([]byte, error) {
	verdicts, err := decodeReceipt(nil, b, epoch, seq, slots)
	if err != nil || verdicts == nil {
		return nil, err
	}
	return appendReceipt(nil, epoch, seq, verdicts), nil
}

// CompareBy compares two descriptors in one of the three ways.
func CompareBy(way, a, b int) (name string, same bool, err error) {
	same, err = comparisons[way].same(a, b)
	return comparisons[way].name, same, err
}

// Arrive is what a receive does with control bytes, and closes what they name.
func Arrive(control []byte) (rights int, malformed error) {
	var ch channel
	a := ch.arrived(nil, control, 0)
	_ = fd.CloseAll(a.rights)
	return len(a.rights), a.malformed
}

// Ring is what a worker remembers of tokens.
type Ring struct{ ring tokenRing }

func (r *Ring) Add(t [16]byte) bool { return r.ring.add(t) != nil }
func (r *Ring) Has(t [16]byte) bool { return r.ring.find(t) != nil }
func (r *Ring) Forget(t [16]byte)   { r.ring.forget(r.ring.find(t)) }
