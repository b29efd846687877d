package sysvctl

// Selector says which message a receiver wants. The zero value is Any.
type Selector struct {
	mtype int64
	flags int
	bad   bool // names a type that no message can have
}

const (
	maxType     = Type(^uint(0) >> 1) // the type is a native long
	flagNoError = 0x1000              // MSG_NOERROR
	flagExcept  = 0x2000              // MSG_EXCEPT
)

// Any takes the oldest message.
func Any() Selector { return Selector{} }

// Exactly takes the oldest message of type t.
func Exactly(t Type) Selector { return Selector{mtype: int64(t), bad: !t.valid()} }

// UpTo takes the message of the lowest type that is at most t, and the oldest
// of that type (a negative msgtyp, msgop(2)). A t above the largest type there
// is on this machine is that type.
func UpTo(t Type) Selector { return Selector{mtype: -int64(min(t, maxType)), bad: t < 1} }

// Except takes the oldest message whose type is not t.
func Except(t Type) Selector {
	return Selector{mtype: int64(t), flags: flagExcept, bad: !t.valid()}
}

// Cut takes also a message that is longer than the buffer, and throws away what
// does not fit (MSG_NOERROR); nothing tells that it did.
func (s Selector) Cut() Selector {
	s.flags |= flagNoError
	return s
}

// valid is needed because the kernel reads 0 and negative numbers as other
// selectors, and would see a number that is too large without its upper half.
func (t Type) valid() bool { return t >= 1 && t <= maxType }

// Message is what was received. Data is the part of the caller's buffer that it fills.
type Message struct {
	Type Type
	Data []byte
}
