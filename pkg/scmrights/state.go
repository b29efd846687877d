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
	StateExpired         // no good receipt in time: nobody knows
	StateAborted         // the parent took the offer back
)

var stateNames = map[State]string{
	StateNew: "new", StateHeld: "held", StateSent: "sent", StateDelivered: "delivered", StateCommitted: "committed",
	StateReleased: "released", StateRevoked: "revoked", StateOrphaned: "orphaned", StateRefused: "refused",
	StateLost: "lost", StateExpired: "expired", StateAborted: "aborted",
}

func (s State) String() string { return wordOf(stateNames, s, "state") }

// stateAfter has, for each state, a bit for every state that may follow. A step
// that is not there is a mistake of this package and is not made.
var stateAfter = [...]uint16{
	StateNew:       1 << StateHeld,
	StateHeld:      1<<StateSent | 1<<StateAborted,
	StateSent:      1<<StateSent | 1<<StateDelivered | 1<<StateRefused | 1<<StateLost | 1<<StateExpired | 1<<StateAborted,
	StateDelivered: 1<<StateCommitted | 1<<StateReleased | 1<<StateRevoked | 1<<StateOrphaned | 1<<StateLost | 1<<StateExpired | 1<<StateAborted,
	StateCommitted: 1<<StateReleased | 1<<StateRevoked | 1<<StateOrphaned,
	StateAborted:   0, // and of all that end
}
