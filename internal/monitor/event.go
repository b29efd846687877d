package monitor

// Event is something that was observed of a worker.
type Event struct {
	Kind   EventKind
	Reason string // for Failed and Exited: in words
	Clean  bool   // for Exited: exit status 0
}

// EventKind names an Event.
type EventKind uint8

const (
	Tick     EventKind = iota // time has passed; look at the deadline
	Start                     // somebody wants the worker to run
	Stop                      // somebody wants it to end
	Again                     // somebody wants it to end and to run anew
	Hello                     // HELLO came
	Proved                    // its confinement is proved
	Readied                   // READY came
	Heard                     // ALIVE, or any other word of a ready worker
	Finished                  // DONE: it ends by itself and is not to be restarted
	Failed                    // a launch, proof, grant or protocol fault; Reason says which
	Breached                  // a call outside its profile; the process is being killed
	Flooded                   // it kept a lane full through every warning; Reason says which
	Exited                    // the process was reaped
)

// Action is something that is to be done, in the order given.
type Action struct {
	Kind   ActionKind
	Reason string // for Kill: in words
}

// ActionKind names an Action.
type ActionKind uint8

const (
	Launch  ActionKind = iota // start a process of the next epoch
	Prove                     // end the start-up phase and prove the confinement
	Grant                     // WELCOME, OFFER and START
	Permit                    // open its lanes
	Revoke                    // close its lanes, those that sleep in a send included
	AskStop                   // send STOP
	Kill                      // end the process now
	Release                   // orphan its grants, set its outputs to their safe values
)

var actionNames = [...]string{"launch", "prove", "grant", "permit", "revoke", "ask to stop", "kill", "release"}

func (k ActionKind) String() string {
	if int(k) < len(actionNames) {
		return actionNames[k]
	}
	return "unknown action"
}
