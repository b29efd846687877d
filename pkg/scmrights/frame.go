package scmrights

import (
	"encoding/binary"
	"slices"
	"strings"
)

const (
	frameMagic   = 0x31504853 // "SHP1"
	frameVersion = 1

	frameSize = 32 // bytes before the slots
	slotSize  = 96 // bytes a slot
	nameAt    = 48 // the name within a slot: its length, then its bytes

	// MaxSlots is the number of descriptors one offer can carry. The kernel
	// takes 253 (SCM_MAX_FD), musl's sendmsg 252, and the receipt pipe is one.
	MaxSlots = 250

	maxRecord       = 32 << 10 // a whole record from the parent, bytes
	maxWorkerRecord = 512      // a whole record from a worker, bytes

	// MaxBody is the longest body of a message to a worker, in bytes.
	MaxBody = maxRecord - frameSize - messageHead
	// MaxWorkerBody is the longest body of a message from a worker, in bytes.
	MaxWorkerBody = maxWorkerRecord - frameSize - messageHead
)

// recordType is the type field of a frame.
type recordType uint8

const (
	typeHello recordType = 1 + iota
	typeWelcome
	typeOffer
	typeCommit
	typeAbort
	typeRevoke
	typeReleased
	typeCredit
	typePing
	typePong
	typeBye

	typeMessage recordType = 16
)

var typeNames = map[recordType]string{
	typeHello: "HELLO", typeWelcome: "WELCOME", typeOffer: "OFFER", typeCommit: "COMMIT", typeAbort: "ABORT",
	typeRevoke: "REVOKE", typeReleased: "RELEASED", typeCredit: "CREDIT", typePing: "PING", typePong: "PONG",
	typeBye: "BYE", typeMessage: "MESSAGE",
}

func (t recordType) known() bool { return t >= typeHello && t <= typeBye || t == typeMessage }

func (t recordType) String() string { return wordOf(typeNames, t, "type") }

// frame is the head of a record. Every record has one; nothing about it is
// believed before decodeRecord has looked at all of it.
type frame struct {
	kind  recordType
	epoch uint32 // generation of the worker, 0 before WELCOME
	seq   uint64 // +1 a record and direction, from 1
	ack   uint64 // the highest seq of the other direction that was acted on
}

// record is a decoded record. Payload is a part of the buffer that was decoded.
type record struct {
	frame
	slots   []slot
	payload []byte
}

// appendRecord appends the bytes of a record to dst.
func appendRecord(dst []byte, f frame, slots []slot, payload []byte) []byte {
	dst = appendHead(dst, f, len(slots), len(payload))
	for i := range slots {
		dst = slots[i].append(dst)
	}
	return append(dst, payload...)
}

// appendHead appends the frame of a record with so many slots and so many bytes
// of payload, which are to follow.
func appendHead(dst []byte, f frame, slots, payload int) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, frameMagic)
	dst = append(dst, frameVersion, byte(f.kind))
	dst = le.AppendUint16(dst, uint16(slots))
	dst = le.AppendUint32(dst, f.epoch)
	dst = le.AppendUint32(dst, uint32(payload))
	dst = le.AppendUint64(dst, f.seq)
	return le.AppendUint64(dst, f.ack)
}

// decodeRecord reads one whole record.
func decodeRecord(b []byte) (record, error) {
	var r record
	err := r.decode(b)
	return r, err
}

// decode reads one whole record into r, whose slots are room that is used
// again. Lengths are compared with what came before anything is allocated for
// them.
func (r *record) decode(b []byte) error {
	*r = record{slots: r.slots[:0]}
	if len(b) < frameSize {
		return faultf("a record of %d bytes, shorter than a frame", len(b))
	}
	le := binary.LittleEndian
	if magic := le.Uint32(b); magic != frameMagic {
		return faultf("magic %#x instead of %#x", magic, uint32(frameMagic))
	}
	if b[4] != frameVersion {
		return faultf("frame version %d, this side speaks %d", b[4], frameVersion)
	}
	r.kind = recordType(b[5])
	if !r.kind.known() {
		return faultf("unknown record type %d", b[5])
	}
	count, length := int(le.Uint16(b[6:])), uint64(le.Uint32(b[12:]))
	r.epoch, r.seq, r.ack = le.Uint32(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])
	if count > MaxSlots {
		return faultf("%s with %d slots, the limit is %d", r.kind, count, MaxSlots)
	}
	if want := uint64(frameSize) + uint64(count)*slotSize + length; want != uint64(len(b)) {
		return faultf("%s of %d bytes whose frame announces %d", r.kind, len(b), want)
	}
	slots := b[frameSize:][:count*slotSize]
	r.payload = b[frameSize+len(slots):]
	return r.decodeSlots(slots)
}

// decodeSlots reads the slot records. All the names are parts of one string.
func (r *record) decodeSlots(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	r.slots = slices.Grow(r.slots, len(b)/slotSize)
	names := 0
	for rest := b; len(rest) > 0; rest = rest[slotSize:] {
		s, length, err := decodeSlot(rest[:slotSize])
		if err != nil {
			return faultf("%s slot %d: %v", r.kind, len(r.slots), err)
		}
		names += length
		r.slots = append(r.slots, s)
	}
	var text strings.Builder
	text.Grow(names)
	for i := range r.slots {
		name := b[i*slotSize+nameAt:]
		from := text.Len()
		text.Write(name[1 : 1+name[0]])
		r.slots[i].name = text.String()[from:]
	}
	return nil
}
