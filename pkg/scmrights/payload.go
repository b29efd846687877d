package scmrights

import "encoding/binary"

const (
	helloSize   = 12
	welcomeSize = 8
	creditSize  = 4
	nonceSize   = 8
	seqSize     = 8
	byeSize     = 4
	revokeSize  = 4
	messageHead = 4
)

// Hello is the first record of a worker.
type Hello struct {
	Low, High uint16 // the versions of the protocol that it speaks
	Features  uint32 // none are defined yet
	Credit    uint32 // how many descriptors it can take at once, 0 when it does not say
}

func (h Hello) encode() []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, h.Low)
	b = le.AppendUint16(b, h.High)
	b = le.AppendUint32(b, h.Features)
	return le.AppendUint32(b, h.Credit)
}

func decodeHello(b []byte) (Hello, error) {
	if err := exactly(typeHello, b, helloSize); err != nil {
		return Hello{}, err
	}
	le := binary.LittleEndian
	h := Hello{Low: le.Uint16(b), High: le.Uint16(b[2:]), Features: le.Uint32(b[4:]), Credit: le.Uint32(b[8:])}
	if h.Low == 0 || h.Low > h.High {
		return h, faultf("HELLO with versions %d to %d", h.Low, h.High)
	}
	return h, nil
}

func encodeWelcome(version uint16, features uint32) []byte {
	b := binary.LittleEndian.AppendUint16(nil, version)
	b = append(b, 0, 0)
	return binary.LittleEndian.AppendUint32(b, features)
}

func decodeWelcome(b []byte) (version uint16, err error) {
	if err := exactly(typeWelcome, b, welcomeSize); err != nil {
		return 0, err
	}
	if b[2] != 0 || b[3] != 0 {
		return 0, faultf("WELCOME with reserved bytes set")
	}
	return binary.LittleEndian.Uint16(b), nil
}

// Message is a record of the layer above: this package carries it and looks at
// nothing but its length.
type Message struct {
	Kind uint16
	Body []byte // the receiver's own, not shared with the next message
	Seq  uint64 // number of the record that carried it
}

func encodeMessage(kind uint16, body []byte) []byte {
	b := make([]byte, 0, messageHead+len(body))
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = append(b, 0, 0)
	return append(b, body...)
}

func decodeMessage(r *record) (Message, error) {
	if len(r.payload) < messageHead {
		return Message{}, faultf("MESSAGE with a payload of %d bytes", len(r.payload))
	}
	if r.payload[2] != 0 || r.payload[3] != 0 {
		return Message{}, faultf("MESSAGE with reserved bytes set")
	}
	body := append([]byte(nil), r.payload[messageHead:]...)
	return Message{Kind: binary.LittleEndian.Uint16(r.payload), Body: body, Seq: r.seq}, nil
}

// decodeUint reads the payloads that are one number: CREDIT, BYE (4 bytes),
// PING, PONG, ABORT, COMMIT (8 bytes).
func decodeUint(r *record, size int) (uint64, error) {
	if err := exactly(r.kind, r.payload, size); err != nil {
		return 0, err
	}
	if size == 4 {
		return uint64(binary.LittleEndian.Uint32(r.payload)), nil
	}
	return binary.LittleEndian.Uint64(r.payload), nil
}

func encodeUint32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func encodeUint64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func exactly(t recordType, payload []byte, size int) error {
	if len(payload) != size {
		return faultf("%s with a payload of %d bytes instead of %d", t, len(payload), size)
	}
	return nil
}
