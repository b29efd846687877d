// Package wire is what the harness of tests/kill and its actors say to each
// other: one JSON object a record, over a SOCK_SEQPACKET pair.
//
// An actor fetches descriptors out of the harness by number (pidfd_getfd), and
// talks with sendto and recvfrom, so that nothing here makes a system call into
// which a test injects an error.
package wire

// ControlFD is the actor's end of the pair.
const ControlFD = 3

// What an order asks for.
const (
	DoTake   = "take"   // be a worker on Channel
	DoOffer  = "offer"  // be the parent on Channel, and offer Items
	DoRecall = "recall" // parent: take back what was lent
	DoPart   = "part"   // parent: close the channel, keep what can be offered again
	DoEnd    = "end"    // parent: close everything
)

// Order is from the harness. Numbers of descriptors are the harness's own, of
// the process PID; -1 is none.
type Order struct {
	Do      string
	Plan    string // of failpoints, for this order
	PID     int
	Channel int
	Worker  int // process id of the worker at the other end
	Epoch   uint32
	Items   []Item
	Want    int // how many descriptors the worker is to expect
	Limit   int `json:",omitempty"` // milliseconds that a wait may take; 0 is plenty
	// Narrow makes a worker have Narrow-1 free numbers of descriptors when the first
	// OFFER comes, so that the kernel cuts it; afterwards it has enough. 0 is enough
	// all the time.
	Narrow int `json:",omitempty"`
}

// Item is a descriptor to be offered: FD, or what the parent kept under this
// name from the round before.
type Item struct {
	Name   string
	Kind   uint8
	Mode   uint8
	Access uint8
	FD     int
	Batch  int // items of a batch are in one OFFER
}

// What an answer says.
const (
	SayTaken    = "taken"    // the descriptors of the order were fetched
	SayGot      = "got"      // worker: Want descriptors are here
	SayOver     = "over"     // worker: the channel has ended, everything is closed
	SayFate     = "fate"     // parent: every grant has ended
	SayRecalled = "recalled" // parent: everything lent is back, or will not come
	SayParted   = "parted"   // parent: the channel is closed
	SayEnded    = "ended"    // parent: everything is closed
)

// Answer is from an actor. Failed are errors that it had from a call; Trouble is
// what no error of a call can explain.
type Answer struct {
	Say     string
	Got     []Got
	Fates   []Fate
	Failed  string
	Trouble string
}

// Got is a descriptor in the worker.
type Got struct {
	Name     string
	Number   int
	Dev, Ino uint64
}

// Fate is how a grant ended: the word of its State, or Unsent.
type Fate struct {
	Name     string
	State    string
	Batch    int
	Number   int32 // in the worker, by its receipt
	Attempts int   // how often it was sent
	Err      string
}

// Unsent is the fate of an item whose Offer failed: the parent still has the
// descriptor that it was going to offer.
const Unsent = "unsent"
