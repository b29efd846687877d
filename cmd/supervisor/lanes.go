package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sallyport/internal/bus"
	"sallyport/internal/control"
)

// laneOrder are the arguments of the verb `queue`.
type laneOrder struct {
	Do       string `json:"do"`
	Lane     string `json:"lane"`
	Bytes    uint64 `json:"bytes"`     // throttle
	WithinMS int64  `json:"within_ms"` // drain
}

const emptyTime = 5 * time.Second // of a drain that names no other

// laneItem is one item of the answer: a lane.
type laneItem struct {
	Lane        string    `json:"lane"`
	Queue       string    `json:"queue"`
	Kind        string    `json:"kind"`
	From        string    `json:"from"`
	To          string    `json:"to"`
	ID          int32     `json:"id"`
	Mode        string    `json:"mode"`
	State       string    `json:"state"`
	Messages    uint64    `json:"messages"`
	UsedBytes   uint64    `json:"used_bytes"`
	LimitBytes  uint64    `json:"limit_bytes"`
	SizeBytes   int       `json:"size_bytes"` // configured
	SenderPID   int       `json:"sender_pid"`
	ReceiverPID int       `json:"receiver_pid"` // or a thread id: msg_lrpid
	Changed     time.Time `json:"changed"`
}

// leftItem is one item of the answer to drain: a message that was taken away.
type leftItem struct {
	Type  int64  `json:"type"`
	Bytes int    `json:"size_bytes"`
	Text  string `json:"text"`
}

// queue is the verb with which an operator looks at lanes and controls them.
func (s *supervisor) queue(ctx context.Context, r control.Request, emit func(any) error) error {
	var o laneOrder
	d := json.NewDecoder(bytes.NewReader(r.Args))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return &control.Fault{Code: "SP0422", What: "queue: the arguments make no sense", Why: err.Error(), Fix: `send {"do":"list"}`}
	}
	if o.Do == "list" {
		lanes, err := s.now().bus.Lanes()
		for _, l := range lanes {
			if err == nil {
				err = emit(itemOf(l))
			}
		}
		return err
	}
	err := s.operate(ctx, o, emit)
	if errors.Is(err, bus.ErrNoLane) {
		return &control.Fault{Code: "SP0421", What: fmt.Sprintf("no lane is called %.80q", o.Lane),
			Why: "a lane is called QUEUE/KIND/FROM/TO", Fix: "see `sallyport queue list --lanes`"}
	}
	return err
}

// operate does one order on one lane, and answers with how it is then.
func (s *supervisor) operate(ctx context.Context, o laneOrder, emit func(any) error) error {
	var err error
	switch o.Do {
	case "stat":
	case "pause":
		err = s.now().bus.Pause(o.Lane)
	case "resume":
		err = s.now().bus.Resume(o.Lane)
	case "throttle":
		err = s.now().bus.Throttle(o.Lane, o.Bytes)
	case "revoke":
		err = s.now().bus.Hold(o.Lane)
	case "permit":
		err = s.now().bus.Release(o.Lane)
	case "drain":
		err = s.drainLane(ctx, o, emit)
	default:
		return &control.Fault{Code: "SP0422", What: fmt.Sprintf("queue: cannot %.40q", o.Do),
			Fix: "list, stat, pause, resume, throttle, revoke, permit, drain"}
	}
	if err != nil {
		return err
	}
	if o.Do != "stat" {
		s.log.Info("an operator changed a lane", "did", o.Do, "lane", o.Lane, "bytes", o.Bytes)
	}
	l, err := s.now().bus.Lane(o.Lane)
	if err != nil {
		return err
	}
	return emit(itemOf(l))
}

func (s *supervisor) drainLane(ctx context.Context, o laneOrder, emit func(any) error) error {
	within := time.Duration(o.WithinMS) * time.Millisecond
	if within <= 0 || within > time.Minute {
		within = emptyTime
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var gone error
	err := s.now().bus.Empty(ctx, o.Lane, func(m bus.Left) {
		s.log.Warn("taken out of a lane by an operator", "lane", o.Lane, "type", m.Type, "frame", m.Text)
		if gone == nil { // a client that went away stops the answer, not the drain
			gone = emit(leftItem{int64(m.Type), m.Bytes, m.Text})
		}
	})
	return errors.Join(err, gone)
}

func itemOf(l bus.Lane) laneItem {
	return laneItem{Lane: l.Name, Queue: l.Queue, Kind: l.Kind, From: l.From, To: l.To,
		ID: int32(l.Stat.ID), Mode: fmt.Sprintf("%04o", l.Stat.Mode), State: laneState(l),
		Messages: l.Stat.Messages, UsedBytes: l.Stat.Bytes, LimitBytes: l.Stat.QBytes, SizeBytes: l.Size,
		SenderPID: l.Stat.Sender, ReceiverPID: l.Stat.Receiver, Changed: l.Stat.Changed.UTC()}
}

// laneState is one word for what a lane does now.
func laneState(l bus.Lane) string {
	switch {
	case l.Held:
		return "revoked"
	case l.Flood == bus.Revoked, l.Flood == bus.Quarantined:
		return "flooded"
	case !l.Ready:
		return "closed" // until its sender is ready
	case l.Stat.QBytes == 0:
		return "paused"
	case l.Stat.QBytes < uint64(l.Size):
		return "throttled"
	}
	return "open"
}
