package plan

import (
	"fmt"
	"slices"

	"sallyport/internal/config"
)

// aspect is one thing about a worker that can change. of gives a value without
// positions, so that a line more above it makes no difference.
type aspect struct {
	name string
	of   func(side) any
}

// fixed are given to a process when it starts, so a change needs another
// process. Limits are among them: the kernel lets nobody without
// CAP_SYS_RESOURCE raise those of another, and the supervisor has put that away.
var fixed = []aspect{
	{"command", func(s side) any { return list(s.w.Command) }},
	{"settings", func(s side) any { return fmt.Sprintf("%q", s.w.Settings) }},
	{"devices", func(s side) any { return s.devices(s.w.Devices) }},
	{"directories", func(s side) any { return s.directories() }},
	{"sockets", func(s side) any { return s.sockets() }},
	{"policy", func(s side) any { return s.w.Policy }},
	{"lanes", func(s side) any { return s.lanes() }},
	{"sensors", func(s side) any { return s.heard() }},
	{"limits", func(s side) any { return s.w.Limits }},
	{"proof", func(s side) any { return s.w.Proof }},
	{"compare", func(s side) any { return s.w.Compare }},
	{"protocol", func(s side) any { return []any{s.w.Protocol, s.w.Notify, s.w.StartGrace} }},
	{"shim", func(s side) any { return s.w.PrintsTo }},
	{"read_only", func(s side) any { return list(s.w.ReadOnly) }},
	{"watchdog", func(s side) any {
		if !s.w.Notify {
			return nil // nobody has told it
		}
		return s.w.Heartbeat
	}},
}

// live are rules of the supervisor about the worker, which knows nothing of them.
var live = []aspect{
	{"restart", func(s side) any { return s.w.Restart }},
	{"ready_within", func(s side) any { return s.w.ReadyWithin }},
	{"heartbeat", func(s side) any { return s.w.Heartbeat }},
	{"start", func(s side) any { return s.w.OnConnect }},
	{"after", func(s side) any { return slices.Sorted(slices.Values(s.w.After)) }},
}

// list makes an empty list equal to none.
func list[T any](l []T) []T { return append([]T{}, l...) }

func (s side) devices(names []string) []config.Device {
	var all []config.Device
	for _, name := range names {
		d, _ := s.Device(name)
		d.Pos = config.Pos{}
		all = append(all, d)
	}
	return all
}

func (s side) directories() []config.Directory {
	var all []config.Directory
	for _, name := range s.w.Directories {
		d, _ := s.Directory(name)
		d.Pos = config.Pos{}
		all = append(all, d)
	}
	return all
}

func (s side) sockets() []config.Socket {
	var all []config.Socket
	for _, name := range s.w.Sockets {
		d, _ := s.Socket(name)
		d.Pos = config.Pos{}
		all = append(all, d)
	}
	return all
}

// lanes are the worker's ends of them: a filter holds their numbers, START
// their bands.
func (s side) lanes() []string {
	all := []string{}
	for _, mine := range s.w.Queues {
		i := slices.IndexFunc(s.Queues, func(q config.Queue) bool { return q.Name == mine.Name })
		q := s.Queues[i]
		all = append(all, ends(q, "tap", mine.Send, []string{"*"})...)
		for _, other := range s.Workers {
			for _, theirs := range other.Queues {
				if theirs.Name != mine.Name || other.Name == s.w.Name {
					continue
				}
				peer := fmt.Sprintf("%s (%d)", other.Name, other.ID)
				all = append(all, ends(q, "to "+peer, mine.Send, theirs.Receive)...)
				all = append(all, ends(q, "from "+peer, theirs.Send, mine.Receive)...)
			}
		}
	}
	return slices.Sorted(slices.Values(all))
}

// ends describes what goes over the lanes of a queue from one to another.
func ends(q config.Queue, peer string, send, receive []string) []string {
	var all []string
	for _, lane := range []config.Lane{q.Urgent, q.Routine} {
		for band, number := range lane.Bands {
			if has(send, band) && has(receive, band) {
				all = append(all, fmt.Sprintf("%s %s %s=%d of %d bytes %s %v %s %d", q.Name, peer, band, number, lane.Bytes, lane.Full, lane.Flood, q.Isolation, lane.Key))
			}
		}
	}
	return all
}

func has(bands []string, band string) bool {
	return slices.Contains(bands, band) || slices.Contains(bands, "*")
}

// heard are the sensors of those whom the worker hears: START names them.
func (s side) heard() []string {
	all := []string{}
	for _, other := range s.Workers {
		if other.Name == s.w.Name || !s.hears(other) {
			continue
		}
		for _, d := range s.devices(other.Devices) {
			all = append(all, fmt.Sprintf("%q %q %q %q %q %q %q %v", other.Name, d.Sensors(), d.Kind, d.Unit, d.Decode, d.Input, d.Channels, d.Output))
		}
	}
	return slices.Sorted(slices.Values(all))
}

func (s side) hears(other config.Worker) bool {
	for _, mine := range s.w.Queues {
		for _, theirs := range other.Queues {
			if mine.Name == theirs.Name && len(mine.Receive) > 0 && len(theirs.Send) > 0 {
				return true
			}
		}
	}
	return false
}
