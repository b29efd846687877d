package control

import (
	"encoding/json"
	"fmt"
	"time"
)

// Event is one thing that happened, as `events --json` prints it. Field names
// end in their unit.
type Event interface {
	event() string
}

// Ready: a worker reported READY and its lanes were opened.
type Ready struct {
	Worker     string  `json:"worker"`
	ProofLevel int     `json:"proof_level"`
	MS         float64 `json:"ms"` // since its launch
}

// Reading: a routine frame on a tap lane.
type Reading struct {
	Sensor string  `json:"sensor"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Seq    uint64  `json:"seq"`
}

// Raised: an alert frame on a tap lane, at the moment it was raised. What its
// receivers say of it follows as Alert.
type Raised struct {
	Sensor string  `json:"sensor"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
}

// Alert: a receiver took an alert, and this is its own report: how long the
// alert was under way, and how many routine frames that were queued before it
// the receiver took only after it.
type Alert struct {
	Sensor    string  `json:"sensor"`
	Value     float64 `json:"value"`
	Receiver  string  `json:"receiver"`
	Overtook  uint32  `json:"overtook"`
	LatencyUS uint32  `json:"latency_us"`
}

// Blocked: a worker made a call that its profile does not allow and was ended.
type Blocked struct {
	Worker  string `json:"worker"`
	Syscall string `json:"syscall"` // with its arguments
	Profile string `json:"profile"`
	Line    int    `json:"line"` // of the profile; 0 where no line names the call
	Fix     string `json:"fix"`
}

// Exited: a worker's process was reaped.
type Exited struct {
	Worker string `json:"worker"`
	Reason string `json:"reason"`
	Next   string `json:"next"` // the state that follows
}

// Regranted: a successor has confirmed, receipt by receipt, the descriptors of
// the worker before it.
type Regranted struct {
	Worker     string   `json:"worker"`
	Names      []string `json:"names"`
	MS         float64  `json:"ms"`          // since the predecessor's end, the restart delay included
	HandoverMS float64  `json:"handover_ms"` // from the first OFFER to the last receipt
}

// Flood: a step against a worker that keeps a lane full although its receiver
// takes (throttled, revoked, reopened, quarantined, and released when it was calm
// again), or a lane that is as full because its receiver takes nothing (stalled).
type Flood struct {
	Worker     string `json:"worker"` // the sender
	Lane       string `json:"lane"`
	Step       string `json:"step"`
	Why        string `json:"why"`
	UsedBytes  uint64 `json:"used_bytes"`
	LimitBytes uint64 `json:"limit_bytes"` // of the lane from now on
}

// Output: an output of the parent's own was switched by a worker.
type Output struct {
	Device string `json:"device"`
	Value  int    `json:"value"`
}

// Log: a line of the supervisor's log. It goes to the followers of `logs` only.
type Log struct {
	Level  string `json:"level"`
	Worker string `json:"worker"` // "" is the supervisor itself
	Text   string `json:"text"`
}

// Missed: this subscriber was too slow and lost so many events.
type Missed struct {
	Events uint64 `json:"events"`
}

// Upgrading: a program is about to take the place of the supervisor's. It is the
// last event of every follower, who may follow again at once.
type Upgrading struct {
	From string `json:"from"` // version of the program that leaves
}

// Upgraded: another program is in its place; the workers ran on.
type Upgraded struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Workers int     `json:"workers"`
	MS      float64 `json:"ms"` // in which nobody was answered
}

// UpgradeFailed: the program before goes on.
type UpgradeFailed struct {
	Why string `json:"why"`
}

// Summary is the last event of a supervisor. LeakedFDs and LeakedQueues are
// counted from the kernel's tables after everything was closed.
type Summary struct {
	Readings     uint64 `json:"readings"`
	Alerts       uint64 `json:"alerts"`
	Lost         uint64 `json:"lost"`
	InFlightLost uint64 `json:"in_flight_lost"`
	Dropped      uint64 `json:"dropped"`
	Waited       uint64 `json:"waited"` // readings that waited for room in a lane with full = "block"
	Blocked      uint64 `json:"blocked"`
	Regranted    uint64 `json:"regranted"`
	LeakedFDs    int    `json:"leaked_fds"`
	LeakedQueues int    `json:"leaked_queues"`
}

func (Ready) event() string     { return "ready" }
func (Reading) event() string   { return "reading" }
func (Raised) event() string    { return "raised" }
func (Alert) event() string     { return "alert" }
func (Blocked) event() string   { return "blocked" }
func (Exited) event() string    { return "exited" }
func (Regranted) event() string { return "regranted" }
func (Flood) event() string     { return "flood" }
func (Output) event() string    { return "output" }
func (Log) event() string       { return "log" }
func (Missed) event() string    { return "missed" }
func (Summary) event() string   { return "summary" }

func (Upgrading) event() string     { return "upgrading" }
func (Upgraded) event() string      { return "upgraded" }
func (UpgradeFailed) event() string { return "upgrade_failed" }

// decoders gives an empty event for every name; Decode fills it.
var decoders = map[string]func([]byte) (Event, error){
	"ready": as[Ready], "reading": as[Reading], "raised": as[Raised], "alert": as[Alert], "blocked": as[Blocked],
	"exited": as[Exited], "regranted": as[Regranted], "upgrading": as[Upgrading], "upgraded": as[Upgraded], "upgrade_failed": as[UpgradeFailed],
	"flood": as[Flood], "output": as[Output], "log": as[Log], "missed": as[Missed], "summary": as[Summary],
}

func as[E Event](line []byte) (Event, error) {
	var e E
	err := json.Unmarshal(line, &e)
	return e, err
}

// Encode gives the line of an event, without the line's end.
func Encode(at time.Time, e Event) ([]byte, error) {
	head, err := json.Marshal(struct {
		T     time.Time `json:"t"`
		Event string    `json:"event"`
	}{at.UTC(), e.event()})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.event(), err)
	}
	head[len(head)-1] = ','
	return append(head, body[1:]...), nil
}

// Decode reads a line that Encode wrote.
func Decode(line []byte) (time.Time, Event, error) {
	var head struct {
		T     time.Time `json:"t"`
		Event string    `json:"event"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return time.Time{}, nil, fmt.Errorf("not an event: %w", err)
	}
	decode, known := decoders[head.Event]
	if !known {
		return head.T, nil, fmt.Errorf("unknown event %q", head.Event)
	}
	e, err := decode(line)
	return head.T, e, err
}
