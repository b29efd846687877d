package bus

import (
	"fmt"
	"sync"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

// Supervisor is the number of the supervisor where workers have theirs.
const Supervisor uint32 = 0

// kind of a lane.
type kind uint8

const (
	urgent kind = iota
	routine
	ack
	tap
)

func (k kind) String() string { return [...]string{"urgent", "routine", "ack", "tap"}[k] }

// frames lists the message sizes that belong in a lane of this kind.
func (k kind) frames() []int {
	if k == urgent {
		return []int{reading.Size, reading.AlertSize}
	}
	return []int{reading.Size}
}

// row is one lane: everything that is known about it, and its System V queue.
type row struct {
	queue            string // name of the configured queue
	kind             kind
	sender, receiver uint32
	gid              uint32    // group of the sender
	bytes, wanted    int       // of its queue, and as configured
	full             lane.Rule // of a routine lane
	key              sysvctl.Key
	q                *sysvctl.Queue

	mu    sync.Mutex      // over every change of the queue's mode and size: IPC_SET writes back what was read
	ready map[uint32]bool // the senders that are: the lane is open to them unless it is held
	held  bool            // an operator closed it
	gauge gauge           // of its flooding; its step Revoked keeps the lane closed as well
}

func (r *row) String() string {
	switch {
	case r.receiver == lane.Anyone:
		return fmt.Sprintf("shared %s lane of queue %q", r.kind, r.queue)
	case r.sender == lane.Anyone:
		return fmt.Sprintf("shared %s lane of queue %q to worker %d", r.kind, r.queue, r.receiver)
	}
	return fmt.Sprintf("%s lane of queue %q from worker %d to %d", r.kind, r.queue, r.sender, r.receiver)
}

// Modes of a lane over time. The supervisor, creator and owner, always keeps 6.
// A revoke takes the write bits away, which makes 0624 into 0604: the sender's
// group has nothing then, and the receiver may still empty the lane.
const (
	modeClosed = 0o600 // nobody else
	modeOpen   = 0o624 // group (the sender) writes, others (the receiver) read
	modeShared = 0o666 // a shared lane: who does what is the filters' to say
	modeAcks   = 0o642 // its acks: group (who sent the alert) reads, others write
)

func (r *row) mode() uint32 {
	switch {
	case r.sender != lane.Anyone:
		return modeOpen
	case r.kind == ack:
		return modeAcks
	}
	return modeShared
}

// pair is one worker that hears another on one queue.
type pair struct {
	queue        string
	from, to     uint32
	bands        map[string]uint16
	hasUrgent    bool
	hasRoutine   bool
	urgentQueue  *row
	routineQueue *row
	ackQueue     *row
}

// pairs finds who hears whom: every two members of a queue where the one sends
// a band that the other receives. Nobody hears himself.
func pairs(q Queue, members []Member) []*pair {
	var all []*pair
	for _, from := range members {
		for _, to := range members {
			if from.Queue != q.Name || to.Queue != q.Name || from.ID == to.ID {
				continue
			}
			p := &pair{queue: q.Name, from: from.ID, to: to.ID, bands: map[string]uint16{}}
			p.hasUrgent = p.take(q.UrgentBands, from.Send, to.Receive)
			p.hasRoutine = p.take(q.RoutineBands, from.Send, to.Receive)
			if len(p.bands) > 0 {
				all = append(all, p)
			}
		}
	}
	return all
}

func (p *pair) take(bands map[string]uint16, send, receive []string) (any bool) {
	for name, mtype := range bands {
		if names(send, name) && names(receive, name) {
			p.bands[name] = mtype
			any = true
		}
	}
	return any
}

// names says whether a list of bands has this one; "*" has all.
func names(list []string, band string) bool {
	for _, n := range list {
		if n == band || n == "*" {
			return true
		}
	}
	return false
}

// tapBands are all bands that a member sends, whether anybody hears them or not.
func tapBands(q Queue, m Member) map[string]uint16 {
	p := pair{bands: map[string]uint16{}}
	p.take(q.UrgentBands, m.Send, []string{"*"})
	p.take(q.RoutineBands, m.Send, []string{"*"})
	return p.bands
}

func (r *row) id() int32 {
	if r == nil {
		return lane.NoLane
	}
	return int32(r.q.ID())
}
