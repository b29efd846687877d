package sysvctl

// Selector says which message a receiver wants. The zero value is Any.
type Selector struct {
	mtype int64
	flags int
}

// Any takes the oldest message.
func Any() Selector { return Selector{} }

// Exactly takes the oldest message of type t.
func Exactly(t Type) Selector { return Selector{mtype: int64(t)} }

// UpTo takes the message of the lowest type that is at most t, and the oldest
// of that type (a negative msgtyp, msgop(2)).
func UpTo(t Type) Selector { return Selector{mtype: -int64(t)} }

// Except takes the oldest message whose type is not t.
func Except(t Type) Selector { return Selector{mtype: int64(t), flags: flagExcept} }

const flagExcept = 0x2000 // MSG_EXCEPT

// Message is what was received. Data is the part of the caller's buffer that it fills.
type Message struct {
	Type Type
	Data []byte
}
