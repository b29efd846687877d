package scmrights

import (
	"fmt"
	"sync/atomic"
)

// Held is a descriptor that is to be offered many times: to a worker and to
// every successor of it, or to several workers. It is copied and looked at once,
// by Hold, and not at every offer; what the looking has shown stays true of an
// open file. The copy is the Held's own: neither a Grant nor Conn.Close closes
// it. Its methods may be called from several goroutines.
type Held struct {
	ownCopy                      // its slot has no token
	wire    []byte               // the slot record behind the token
	last    atomic.Pointer[Conn] // the one that it was last offered on
}

// Hold borrows it.File for the call, makes a copy, and looks at it as Offer does
// at every other item: of a descriptor that does not fit, nothing is held. Only
// what the parent keeps can be held: ModeShare and ModeLend.
func Hold(it Item) (*Held, error) {
	if it.Held != nil {
		return nil, &Error{Op: "hold", Err: fmt.Errorf("%s is held already", it.Name)}
	}
	if err := it.check(nil); err != nil {
		return nil, &Error{Op: "hold", Err: err}
	}
	if it.Mode != ModeShare && it.Mode != ModeLend {
		return nil, &Error{Op: "hold", Err: fmt.Errorf("%s: %w in mode %s, which leaves the parent nothing to hold", it.Name, ErrUnsupported, it.Mode)}
	}
	h := &Held{ownCopy: ownCopy{slot: slot{kind: it.Kind, mode: it.Mode, access: it.Access, name: it.Name}}}
	if err := h.make(it.File); err != nil {
		return nil, &Error{Op: "hold", Err: fmt.Errorf("%s: %w", it.Name, err)}
	}
	h.wire = h.slot.appendRest(make([]byte, 0, slotSize-len(token{})))
	return h, nil
}

// Item is what is to be given to Offer, as it is.
func (h *Held) Item() Item {
	return Item{Name: h.slot.name, Kind: h.slot.kind, Mode: h.slot.mode, Access: h.slot.access, Held: h}
}

// is says that it is what Item returned.
func (h *Held) is(it *Item) bool {
	return it.File == nil && it.Name == h.slot.name && it.Kind == h.slot.kind && it.Mode == h.slot.mode && it.Access == h.slot.access
}

// lookAgain undoes what another worker may have done to the flags that it shares
// with this one: all else that was looked at no holder can change.
func (h *Held) lookAgain(c *Conn) error {
	if !h.slot.kind.neverWaits() || h.last.Swap(c) == c {
		return nil
	}
	return h.fd.Borrow(h.slot.checkFlags)
}

// Close closes the copy; the second call returns nil. Offers that were sent have
// what they need, but are not sent again. It is for when the descriptor is not
// to be offered any more.
func (h *Held) Close() error {
	if err := h.fd.Close(); err != nil {
		return &Error{Op: "close of " + h.slot.name, Err: err}
	}
	return nil
}
