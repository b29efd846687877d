package scmrights

// State is where a grant is.
//
//	new -> held -> sent -> delivered -> [committed] -> released | revoked | orphaned
//	               sent -> refused | lost | expired | aborted
//	                       delivered, not committed yet -> lost | expired | aborted
type State uint8

// The states of a grant. Only grants in ModeExclusive are committed; for them
// delivered means that the worker's library has it and its plugin has not.
const (
	StateNew       State = iota
	StateHeld            // the ledger has a copy; the caller may close its own
	StateSent            // in a record that was sent, no receipt yet
	StateDelivered       // the worker has it
	StateCommitted       // the worker alone has it, and its plugin may use it
	StateReleased        // the worker closed it by itself and said so
	StateRevoked         // the worker closed it because it was told to
	StateOrphaned        // the worker had it when the channel ended
	StateRefused         // the worker gave it back
	StateLost            // it did not arrive, or its holder died before the commit
	StateExpired         // no receipt in time: nobody knows
	StateAborted         // the parent took the offer back
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
	StateDelivered: {StateCommitted, StateReleased, StateRevoked, StateOrphaned, StateLost, StateExpired, StateAborted},
	StateCommitted: {StateReleased, StateRevoked, StateOrphaned},
}
