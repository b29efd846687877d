package scmrights

import (
	"errors"
	"fmt"
)

var (
	// ErrProtocol: the peer broke the protocol. The channel has ended; end the peer.
	ErrProtocol = errors.New("protocol fault")
	// ErrRefused: the worker received the descriptor, looked at it and gave it back.
	ErrRefused = errors.New("refused")
	// ErrLost: the descriptor did not arrive, and the worker does not have it.
	ErrLost = errors.New("lost")
	// ErrExpired: no receipt in time, or none that can be believed, or this end was closed before
	// it came. The worker may or may not have the descriptor; end it.
	ErrExpired = errors.New("no good receipt in time")
	// ErrBlocked: the peer does not read its channel; nothing was sent.
	ErrBlocked = errors.New("the peer does not read its channel")
	// ErrBusy: more offers, or more slots, than the worker, or the Budget, has room for now; nothing was sent.
	ErrBusy = errors.New("no room at the worker")
	// ErrUnproved: the offer came without the proof that Config.Proof asks for; nothing was sent.
	ErrUnproved = errors.New("the worker's confinement is not proved")
	// ErrUnsupported: a mode or version that this package does not speak.
	ErrUnsupported = errors.New("not supported")
	// ErrAccess: the descriptor allows more, or less, than the item says; nothing was sent.
	ErrAccess = errors.New("the descriptor's access is not the item's")
	// ErrForged: the worker's descriptor is not the one that was granted, or it has kept one
	// that it says it closed. The channel has ended; end the worker.
	ErrForged = errors.New("not the descriptor that was granted")
	// ErrShared: a descriptor offered in ModeExclusive has another holder in this process. The
	// channel has ended; end the worker, which has a copy that it was told to close.
	ErrShared = errors.New("this process holds another copy")
	// ErrKept: the worker did not release what was revoked in time. The channel has ended; end the worker.
	ErrKept = errors.New("revoked, and not released in time")
	// ErrClosed: this end of the channel was closed.
	ErrClosed = errors.New("channel closed")
)

// Error is the error type of this package. Err wraps one of the Err values
// above, io.EOF, or an os.SyscallError.
type Error struct {
	Op   string // "offer", "receive", "receipt", ...
	Peer string // whom the channel leads to, as the caller named it
	Seq  uint64 // the record it was about, 0 when it was about none
	Err  error
}

func (e *Error) Error() string {
	s := "scmrights: " + e.Op
	if e.Peer != "" {
		s += " (" + e.Peer + ")"
	}
	if e.Seq != 0 {
		s += fmt.Sprintf(" record %d", e.Seq)
	}
	return s + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// faultf builds the words of a protocol fault. What it is given of the peer's
// bytes are numbers only, or text that was quoted and cut.
func faultf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}
