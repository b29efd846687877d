package lane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// MaxStart is the size limit of START in bytes.
const MaxStart = 16 << 10

const startVersion = 1

// NoLane stands for a lane that a pair of workers does not have. 0 cannot: the
// first queue of a fresh IPC namespace has the id 0.
const NoLane int32 = -1

// Anyone stands for a worker's number in a shared queue: as a receiver, whoever
// takes a message first; as a sender, a program that is no worker.
const Anyone uint32 = math.MaxUint32

// Start is all that a worker is told when it begins. It travels as JSON with
// exactly these keys, each one present.
type Start struct {
	V        int               `json:"v"`
	Worker   StartWorker       `json:"worker"`
	Settings map[string]string `json:"settings"`
	Sensors  []Sensor          `json:"sensors"`
	Send     []Out             `json:"send"`
	Receive  []In              `json:"receive"`
	Bell     string            `json:"bell"` // grant of the own bell's read end, "" when nothing is received
}

// StartWorker is the worker that START is for. Numbers begin at 1; 0 is the supervisor.
type StartWorker struct {
	ID   uint32 `json:"id"`
	Name string `json:"name"`
}

// Sensor is a sensor that this worker reads (Grant names its descriptor) or
// that a worker it hears sends (Worker is that worker's number).
type Sensor struct {
	ID     uint32 `json:"id"`
	Name   string `json:"name"`
	Worker uint32 `json:"worker"`
	Unit   string `json:"unit"`
	Grant  string `json:"grant"`
	Decode string `json:"decode"`
}

// Out is one receiver of this worker's frames: the queue ids of its lanes (or
// NoLane), the grant of its bell, and the bands that it subscribed to with
// their message types. To is 0 for the supervisor's tap, whose one lane stands
// under Routine and takes alerts as well, and Anyone for the lanes of a shared
// queue. One without a lane is a bell to ring, of one more of those who receive
// from a shared queue. Full is the rule for a reading that finds
// the routine lane full.
type Out struct {
	Queue   string            `json:"queue"`
	To      uint32            `json:"to"`
	Urgent  int32             `json:"urgent"`
	Routine int32             `json:"routine"`
	Ack     int32             `json:"ack"`
	Bell    string            `json:"bell"`
	Bands   map[string]uint16 `json:"bands"`
	Full    Rule              `json:"full"`
}

// In is one sender that this worker hears: the queue ids of the lanes (or NoLane).
// Several senders with the same queues are those of a shared queue, where From
// Anyone is everybody else.
type In struct {
	Queue   string `json:"queue"`
	From    uint32 `json:"from"`
	Urgent  int32  `json:"urgent"`
	Routine int32  `json:"routine"`
	Ack     int32  `json:"ack"`
}

// Encode returns the JSON of s, one line without a newline. V may be left 0.
func (s *Start) Encode() ([]byte, error) {
	full := *s
	if full.V == 0 {
		full.V = startVersion
	}
	// A nil slice or map would be written as null.
	if full.Settings == nil {
		full.Settings = map[string]string{}
	}
	full.Sensors = append([]Sensor{}, full.Sensors...)
	full.Send = append([]Out{}, full.Send...)
	full.Receive = append([]In{}, full.Receive...)
	for i := range full.Send {
		if full.Send[i].Bands == nil {
			full.Send[i].Bands = map[string]uint16{}
		}
		if full.Send[i].Full == "" {
			full.Send[i].Full = DropNew
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // readers in other languages need not know \u003c
	if err := enc.Encode(&full); err != nil {
		return nil, fmt.Errorf("start of worker %q: %w", s.Worker.Name, err)
	}
	out := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(out) > MaxStart {
		return nil, fmt.Errorf("start of worker %q: %d bytes, at most %d fit: give it fewer sensors or settings", s.Worker.Name, len(out), MaxStart)
	}
	return out, nil
}

// DecodeStart reads START. A key that is unknown, missing, written twice or in
// other letters, a null, bytes after the end, another version or more than
// MaxStart bytes are errors.
func DecodeStart(b []byte) (*Start, error) {
	if len(b) > MaxStart {
		return nil, fmt.Errorf("start: %d bytes, want at most %d", len(b), MaxStart)
	}
	if err := checkShape(b, startShape); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	s := new(Start)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	if s.V != startVersion {
		return nil, fmt.Errorf("start: version %d, want %d", s.V, startVersion)
	}
	for _, out := range s.Send {
		if out.Full != DropNew && out.Full != Block {
			return nil, fmt.Errorf("start: full: %.40q is no rule", out.Full)
		}
	}
	return s, nil
}
