package monitor

// State is where a worker stands. The zero value is Declared.
type State uint8

const (
	Declared    State = iota // known from the configuration, never started
	Starting                 // launched, its HELLO has not come
	Proving                  // it said HELLO; its confinement is being proved
	Granting                 // proved; descriptors and START are on their way
	Ready                    // it said READY; its lanes are open
	Stopping                 // asked or made to end, not yet reaped
	Stopped                  // ended, and nobody wants it back
	Backoff                  // ended; starts again at the deadline
	GivenUp                  // failed too often in too short a time
	Quarantined              // broke its confinement too often, or flooded a lane; waits for a start by hand
)

var stateNames = [...]string{
	"declared", "starting", "proving", "granting", "ready", "stopping",
	"stopped", "backoff", "given up", "quarantined",
}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown state"
}

// Running says whether a process of the worker exists in this state.
func (s State) Running() bool {
	return s >= Starting && s <= Stopping
}

// Word is something a worker can say on its channel.
type Word uint8

const (
	WordHello Word = iota
	WordReady
	WordAlive
	WordStatus
	WordLost
	WordDone
	WordNext
	WordSeen
	WordCount
	words
)

var wordNames = [words]string{"HELLO", "READY", "ALIVE", "STATUS", "LOST", "DONE", "NEXT", "SEEN", "COUNT"}

func (w Word) String() string {
	if w < words {
		return wordNames[w]
	}
	return "unknown word"
}

// mask is a set of states.
type mask uint16

func in(states ...State) mask {
	var m mask
	for _, s := range states {
		m |= 1 << s
	}
	return m
}

// allowed is the whole of what an unprivileged process can ask of the parent.
// Stopping takes the words of a worker that ends in order: its last counts, and
// what was under way when STOP crossed it.
var allowed = [words]mask{
	WordHello:  in(Starting),
	WordReady:  in(Granting),
	WordAlive:  in(Granting, Ready, Stopping),
	WordStatus: in(Granting, Ready, Stopping),
	WordLost:   in(Granting, Ready, Stopping),
	WordDone:   in(Granting, Ready, Stopping),
	WordNext:   in(Granting, Ready, Stopping),
	WordSeen:   in(Ready, Stopping),
	WordCount:  in(Ready, Stopping),
}

// Allowed says whether a worker in state s may say w.
func Allowed(s State, w Word) bool {
	return w < words && allowed[w]&in(s) != 0
}
