package reading

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Kind says what a frame is.
type Kind uint8

// The kinds of frames.
const (
	Reading Kind = 1 // a measured value
	Alert   Kind = 2 // a value that somebody has to act on
	Ack     Kind = 3 // the word of a receiver that it acted on an alert
)

func (k Kind) String() string {
	switch k {
	case Reading:
		return "reading"
	case Alert:
		return "alert"
	case Ack:
		return "acknowledgement"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Sizes in bytes.
const (
	Size      = 64  // of every frame without a text
	AlertSize = 256 // of an alert with a text
	MaxUnit   = 8   // of a unit
	MaxText   = AlertSize - Size - 1
)

const version = 1

// Flags of a frame.
const (
	FlagResent uint32 = 1 << iota // sent before and not acknowledged in time
	FlagCut                       // the text was longer than MaxText
	knownFlags = FlagResent | FlagCut
)

// ErrMalformed is wrapped by every error of Decode.
var ErrMalformed = errors.New("malformed frame")

// Frame is one decoded frame. Boottime and Wall are in nanoseconds. Unit has at
// most MaxUnit bytes. Text is of alerts only and has at most MaxText bytes.
type Frame struct {
	Kind           Kind
	Band           uint16
	Worker, Sensor uint32
	Epoch          uint32
	Seq            uint64
	Boottime, Wall int64
	Value          float64
	Unit           string
	Flags          uint32
	Text           string
}

// Encode writes the frame to the start of buf and returns its size: AlertSize
// when there is a text, else Size. It refuses what Decode would refuse, and a
// buf that is too short. It allocates nothing unless it fails.
func (f *Frame) Encode(buf []byte) (n int, err error) {
	n = Size
	if f.Text != "" {
		n = AlertSize
	}
	if len(buf) < n {
		return 0, fmt.Errorf("encode %v: buffer of %d bytes, frame of %d", f.Kind, len(buf), n)
	}
	if err := f.check(); err != nil {
		return 0, fmt.Errorf("encode %v: %w", f.Kind, err)
	}
	buf = buf[:n]
	clear(buf)
	le := binary.LittleEndian
	buf[0], buf[1] = version, byte(f.Kind)
	le.PutUint16(buf[2:], f.Band)
	le.PutUint32(buf[4:], f.Worker)
	le.PutUint32(buf[8:], f.Sensor)
	le.PutUint32(buf[12:], f.Epoch)
	le.PutUint64(buf[16:], f.Seq)
	le.PutUint64(buf[24:], uint64(f.Boottime))
	le.PutUint64(buf[32:], uint64(f.Wall))
	le.PutUint64(buf[40:], math.Float64bits(f.Value))
	copy(buf[48:56], f.Unit)
	le.PutUint32(buf[56:], f.Flags)
	if n == AlertSize {
		buf[64] = byte(len(f.Text))
		copy(buf[65:], f.Text)
	}
	return n, nil
}

// Decode reads a frame of exactly Size or AlertSize bytes. It refuses unknown
// versions, kinds and flags, reserved bytes that are not zero, units and texts
// with control characters, and values that are not finite. The frame keeps no
// reference to buf.
func Decode(buf []byte) (Frame, error) {
	if len(buf) != Size && len(buf) != AlertSize {
		return Frame{}, malformed("%d bytes, want %d or %d", len(buf), Size, AlertSize)
	}
	if buf[0] != version {
		return Frame{}, malformed("version %d, want %d", buf[0], version)
	}
	le := binary.LittleEndian
	if r := le.Uint32(buf[60:]); r != 0 {
		return Frame{}, malformed("reserved bytes are %#x, want 0", r)
	}
	unit, ok := unpad(buf[48:56])
	if !ok {
		return Frame{}, malformed("unit %q goes on after its end", buf[48:56])
	}
	f := Frame{
		Kind:     Kind(buf[1]),
		Band:     le.Uint16(buf[2:]),
		Worker:   le.Uint32(buf[4:]),
		Sensor:   le.Uint32(buf[8:]),
		Epoch:    le.Uint32(buf[12:]),
		Seq:      le.Uint64(buf[16:]),
		Boottime: int64(le.Uint64(buf[24:])),
		Wall:     int64(le.Uint64(buf[32:])),
		Value:    math.Float64frombits(le.Uint64(buf[40:])),
		Unit:     string(unit),
		Flags:    le.Uint32(buf[56:]),
	}
	if len(buf) == AlertSize {
		text, ok := unpad(buf[65:])
		if !ok || len(text) != int(buf[64]) || len(text) == 0 {
			return Frame{}, malformed("length of the text is %d, its bytes say otherwise", buf[64])
		}
		f.Text = string(text)
	}
	if err := f.check(); err != nil {
		return Frame{}, err
	}
	return f, nil
}
