package scmrights

// State is where a grant is.
//
//	new -> held -> sent -> delivered -> released | orphaned
//	               sent -> refused | lost | expired | aborted
type State uint8

// The states of a grant. StateCommitted and StateRevoked belong to the modes
// exclusive and lend.
const (
	StateNew       State = iota
	StateHeld            // the ledger has a copy; the caller may close its own
	StateSent            // in a record that was sent, no receipt yet
	StateDelivered       // the worker has it
	StateCommitted
	StateReleased // the worker said that it closed it
	StateRevoked
	StateOrphaned // the worker had it when the channel ended
	StateRefused  // the worker gave it back
	StateLost     // it did not arrive
	StateExpired  // no receipt in time: nobody knows
	StateAborted  // the parent took the offer back before it was sent
)

var stateNames = map[State]string{
	StateNew: "new", StateHeld: "held", StateSent: "sent", StateDelivered: "delivered", StateCommitted: "committed",
	StateReleased: "released", StateRevoked: "revoked", StateOrphaned: "orphaned", StateRefused: "refused",
	StateLost: "lost", StateExpired: "expired", StateAborted: "aborted",
}

func (s State) String() string { return wordOf(stateNames, s, "state") }

// stateAfter is every step that a grant may make. A step that is not there is a
// mistake of this package and is not made.
var stateAfter = map[State][]State{
	StateNew:       {StateHeld},
	StateHeld:      {StateSent, StateAborted},
	StateSent:      {StateSent, StateDelivered, StateRefused, StateLost, StateExpired, StateAborted},
	StateDelivered: {StateCommitted, StateReleased, StateRevoked, StateOrphaned},
	StateCommitted: {StateReleased, StateRevoked, StateOrphaned},
}
