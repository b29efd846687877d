package bus

import (
	"fmt"

	"sallyport/internal/lane"
	"sallyport/pkg/sysvctl"
)

// Config is what a Bus is made of. TapBytes is the size of a tap lane in bytes,
// 0 for the default. In an IPC namespace that others live in as well Ledger is the
// file that remembers the queues for a successor (see sweep); there the limits of
// the namespace are left alone. Log may be nil; it is given a sentence and key-value pairs.
type Config struct {
	Queues   []Queue
	Members  []Member
	TapBytes int
	Ledger   string
	Log      func(msg string, kv ...any)
}

// Queue is one configured queue. The sizes are in bytes and of each lane of
// that urgency, 0 for the default; the bands are message types by name. Full is
// the rule for a full routine lane: lane.DropNew, lane.Block, or "" for the first. The
// marks say when a lane is flooded; that of the routine lanes holds for the taps.
// Shared makes one pair of lanes for all, with keys where others are to find
// them; it has no marks for them and no rule but DropNew.
type Queue struct {
	Name                      string
	UrgentBytes, RoutineBytes int
	UrgentBands, RoutineBands map[string]uint16
	UrgentMark, RoutineMark   Mark
	Full                      lane.Rule
	Shared                    bool
	UrgentKey, RoutineKey     sysvctl.Key
}

// Member is one worker on one queue. Send and Receive are band names, or "*".
type Member struct {
	ID, GID       uint32
	Name          string
	Queue         string
	Send, Receive []string
}

// Sizes in bytes where the configuration has none. An urgent lane holds the
// outbox of its sender (64 alerts of 256 bytes), an ack lane two words for each.
const (
	defaultLane = 16 << 10
	ackLane     = 8 << 10
	minLane     = 256
	// maxBytes bounds what one lane can make the kernel hold.
	maxBytes = 16 << 20
)

func (c *Config) check() error {
	queues := map[string]bool{}
	for _, q := range c.Queues {
		if q.Name == "" || queues[q.Name] {
			return fmt.Errorf("bus: queue %q: no name, or twice", q.Name)
		}
		queues[q.Name] = true
		if q.Shared && q.Full == lane.Block {
			return fmt.Errorf("bus: queue %q: senders of a shared queue cannot wait: a revoke would wake them all", q.Name)
		}
		for _, n := range []int{q.UrgentBytes, q.RoutineBytes} {
			if err := checkSize(n); err != nil {
				return fmt.Errorf("bus: queue %q: %w", q.Name, err)
			}
		}
		if err := checkBands(q); err != nil {
			return fmt.Errorf("bus: queue %q: %w", q.Name, err)
		}
	}
	if err := checkSize(c.TapBytes); err != nil {
		return fmt.Errorf("bus: tap: %w", err)
	}
	return c.checkMembers(queues)
}

func (c *Config) checkMembers(queues map[string]bool) error {
	type seat struct {
		id    uint32
		queue string
	}
	seats, known, named := map[seat]bool{}, map[uint32]Member{}, map[string]uint32{}
	for _, m := range c.Members {
		s := seat{m.ID, m.Queue}
		before, again := known[m.ID]
		other, taken := named[m.Name]
		switch {
		case m.ID == lane.Anyone:
			return fmt.Errorf("bus: worker %q has the number that stands for anyone", m.Name)
		case m.ID == Supervisor:
			return fmt.Errorf("bus: worker %q has number 0, which is the supervisor's", m.Name)
		case !queues[m.Queue]:
			return fmt.Errorf("bus: worker %q: no queue %q", m.Name, m.Queue)
		case seats[s]:
			return fmt.Errorf("bus: worker %q is twice on queue %q", m.Name, m.Queue)
		case again && (before.Name != m.Name || before.GID != m.GID):
			return fmt.Errorf("bus: worker %d is both %q (gid %d) and %q (gid %d)", m.ID, before.Name, before.GID, m.Name, m.GID)
		case taken && other != m.ID:
			return fmt.Errorf("bus: workers %d and %d are both called %q", other, m.ID, m.Name)
		}
		seats[s], known[m.ID], named[m.Name] = true, m, m.ID
	}
	return nil
}

func checkSize(n int) error {
	if n != 0 && (n < minLane || n > maxBytes) {
		return fmt.Errorf("lane of %d bytes, want %d to %d", n, minLane, maxBytes)
	}
	return nil
}

func checkBands(q Queue) error {
	for name, mtype := range q.UrgentBands {
		if _, both := q.RoutineBands[name]; both {
			return fmt.Errorf("band %q is both urgent and routine", name)
		}
		if mtype == 0 {
			return fmt.Errorf("band %q has message type 0, want 1 or more", name)
		}
	}
	for name, mtype := range q.RoutineBands {
		if mtype == 0 {
			return fmt.Errorf("band %q has message type 0, want 1 or more", name)
		}
	}
	return nil
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
