package scmrights

import "encoding/binary"

const (
	receiptMagic   = 0x31524853 // "SHR1"
	receiptVersion = 1
	receiptHead    = 20
	receiptSlot    = 8
	shortReceipt   = 0x06 // ASCII ACK: "all taken", from peers that build no frame

	// maxReceipt is what is read of a receipt pipe before its worker is found
	// at fault; a receipt is one write of at most PIPE_BUF, so that it is whole
	// or not there.
	maxReceipt = 4096
)

// Status is what a worker says of one descriptor in its receipt.
type Status uint16

// The statuses of the wire.
const (
	StatusTaken         Status = iota
	StatusMissing              // announced, did not arrive
	StatusWrongKind            // fstat does not fit the kind
	StatusWrongIdentity        // fstat does not fit what the parent saw
	StatusNoSlot               // the worker wants to keep its last descriptor numbers free
	StatusNotWanted            // the worker has no use for it
)

var statusNames = map[Status]string{
	StatusTaken: "taken", StatusMissing: "missing", StatusWrongKind: "wrong kind", StatusWrongIdentity: "wrong identity",
	StatusNoSlot: "no free slot", StatusNotWanted: "not wanted",
}

func (s Status) String() string { return wordOf(statusNames, s, "status") }

// verdict is the part of a receipt for one slot.
type verdict struct {
	status Status
	number int32 // the descriptor's number in the worker, -1 when it has none or did not say
}

func appendReceipt(b []byte, epoch uint32, seq uint64, verdicts []verdict) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, receiptMagic)
	b = append(b, receiptVersion, outcomeOf(verdicts))
	b = le.AppendUint16(b, uint16(len(verdicts)))
	b = le.AppendUint32(b, epoch)
	b = le.AppendUint64(b, seq)
	for _, v := range verdicts {
		b = le.AppendUint16(b, uint16(v.status))
		b = append(b, 0, 0)
		b = le.AppendUint32(b, uint32(v.number))
	}
	return b
}

// decodeReceipt reads what came out of the receipt pipe of the offer seq with
// count slots, of a worker in this epoch. No bytes at all is no receipt: nil
// without an error. Everything but one exact receipt is a fault. The verdicts are
// appended to room.
func decodeReceipt(room []verdict, b []byte, epoch uint32, seq uint64, count int) ([]verdict, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) == 1 && b[0] == shortReceipt {
		for range count {
			room = append(room, verdict{number: -1})
		}
		return room, nil
	}
	if want := receiptHead + count*receiptSlot; len(b) != want {
		return nil, faultf("receipt of %d bytes instead of %d", len(b), want)
	}
	le := binary.LittleEndian
	switch {
	case le.Uint32(b) != receiptMagic:
		return nil, faultf("receipt with magic %#x", le.Uint32(b))
	case b[4] != receiptVersion:
		return nil, faultf("receipt of version %d", b[4])
	case int(le.Uint16(b[6:])) != count:
		return nil, faultf("receipt for %d slots instead of %d", le.Uint16(b[6:]), count)
	case le.Uint32(b[8:]) != epoch:
		return nil, faultf("receipt of epoch %d in epoch %d", le.Uint32(b[8:]), epoch)
	case le.Uint64(b[12:]) != seq:
		return nil, faultf("receipt for record %d instead of %d", le.Uint64(b[12:]), seq)
	}
	for i := range count {
		s := b[receiptHead+i*receiptSlot:]
		v := verdict{status: Status(le.Uint16(s)), number: int32(le.Uint32(s[4:]))}
		if v.status > StatusNotWanted || s[2] != 0 || s[3] != 0 {
			return nil, faultf("receipt with status %d, reserved %d %d, for slot %d", v.status, s[2], s[3], i)
		}
		if v.status == StatusTaken && v.number < 0 {
			return nil, faultf("receipt that takes slot %d as descriptor %d", i, v.number)
		}
		room = append(room, v)
	}
	if got := outcomeOf(room); b[5] != got {
		return nil, faultf("receipt with outcome %d whose slots say %d", b[5], got)
	}
	return room, nil
}

// outcomeOf is 0 when all were taken, 1 when some, 2 when none.
func outcomeOf(verdicts []verdict) byte {
	taken := 0
	for _, v := range verdicts {
		if v.status == StatusTaken {
			taken++
		}
	}
	switch taken {
	case len(verdicts):
		return 0
	case 0:
		return 2
	}
	return 1
}
