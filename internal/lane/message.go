package lane

import (
	"encoding/binary"
	"fmt"
)

// Kinds of MESSAGE records from the parent to a worker.
const (
	MsgStart uint16 = 1 // Start in JSON
	MsgStop  uint16 = 2 // u32 milliseconds until the worker is ended
)

// Kinds of MESSAGE records from a worker to the parent.
const (
	MsgReady  uint16 = 1 + iota // empty
	MsgAlive                    // empty
	MsgStatus                   // UTF-8, at most 256 bytes
	MsgLost                     // name of a grant that stopped working
	MsgDone                     // empty: finished by itself, do not restart
	MsgNext                     // name of a directory grant whose next segment is wanted
	MsgSeen                     // one Seen
	MsgCount                    // one Count
)

// Sizes of the two reports in bytes.
const (
	SeenSize  = 32
	CountSize = 56
)

// Seen is what a receiver alone knows about an alert that it took: how many
// routine frames with an earlier boot time it took within the second after, and
// how old the alert was when it was taken, in microseconds.
type Seen struct {
	Seq          uint64
	From, Sensor uint32
	Overtook     uint32
	LatencyUS    uint32
}

// Append appends the SeenSize bytes of s to b.
func (s Seen) Append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, s.Seq)
	b = le.AppendUint32(b, s.From)
	b = le.AppendUint32(b, s.Sensor)
	b = le.AppendUint32(b, s.Overtook)
	b = le.AppendUint32(b, s.LatencyUS)
	return le.AppendUint64(b, 0)
}

// DecodeSeen reads exactly SeenSize bytes and refuses reserved ones that are not zero.
func DecodeSeen(b []byte) (Seen, error) {
	if len(b) != SeenSize {
		return Seen{}, fmt.Errorf("seen: %d bytes, want %d", len(b), SeenSize)
	}
	le := binary.LittleEndian
	if r := le.Uint64(b[24:]); r != 0 {
		return Seen{}, fmt.Errorf("seen: reserved bytes are %#x, want 0", r)
	}
	return Seen{
		Seq:       le.Uint64(b),
		From:      le.Uint32(b[8:]),
		Sensor:    le.Uint32(b[12:]),
		Overtook:  le.Uint32(b[16:]),
		LatencyUS: le.Uint32(b[20:]),
	}, nil
}

// Roles of the worker that counts.
const (
	RoleReceiver uint8 = 0
	RoleSender   uint8 = 1
)

// Count is what a worker did on one lane under one epoch of the lane's sender,
// summed up over the life of the worker that reports. Peer is the worker at the
// other end, 0 the supervisor.
//
// Of a receiver, First and Last are the lowest and the highest sequence number
// it acted on, Gaps the numbers between them that never came, Dropped the
// frames it refused as malformed or forged, Taken the frames it acted on. Of a
// sender, First is 1 and Last the highest number it used, Taken the frames that
// entered the lane (repetitions of an alert not counted), Dropped the readings
// that a full lane refused or the alerts that it gave up, and Waited the readings
// that found the lane full and waited for room.
type Count struct {
	Peer                              uint32
	Role                              uint8
	Urgent                            bool
	Epoch                             uint32
	Waited                            uint32
	First, Last, Gaps, Dropped, Taken uint64
}

// Append appends the CountSize bytes of c to b.
func (c Count) Append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, c.Peer)
	urgent := byte(0)
	if c.Urgent {
		urgent = 1
	}
	b = append(b, c.Role, urgent, 0, 0)
	b = le.AppendUint32(b, c.Epoch)
	b = le.AppendUint32(b, c.Waited)
	for _, n := range [...]uint64{c.First, c.Last, c.Gaps, c.Dropped, c.Taken} {
		b = le.AppendUint64(b, n)
	}
	return b
}

// DecodeCount reads exactly CountSize bytes and refuses unknown roles and
// reserved bytes that are not zero.
func DecodeCount(b []byte) (Count, error) {
	if len(b) != CountSize {
		return Count{}, fmt.Errorf("count: %d bytes, want %d", len(b), CountSize)
	}
	le := binary.LittleEndian
	if b[4] > RoleSender || b[5] > 1 || b[6] != 0 || b[7] != 0 ||
		le.Uint32(b[12:]) != 0 && (b[4] != RoleSender || b[5] == 1) {
		return Count{}, fmt.Errorf("count: role %d, urgent %d, or reserved bytes that are not 0", b[4], b[5])
	}
	return Count{
		Peer: le.Uint32(b), Role: b[4], Urgent: b[5] == 1, Epoch: le.Uint32(b[8:]), Waited: le.Uint32(b[12:]),
		First: le.Uint64(b[16:]), Last: le.Uint64(b[24:]), Gaps: le.Uint64(b[32:]),
		Dropped: le.Uint64(b[40:]), Taken: le.Uint64(b[48:]),
	}, nil
}
