package scmrights

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
	verdicts, err := decodeReceipt(b, epoch, seq, slots)
	if err != nil || verdicts == nil {
		return nil, err
	}
	return appendReceipt(nil, epoch, seq, verdicts), nil
}
