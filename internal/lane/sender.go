package lane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"sallyport/internal/fault"
	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

// Rule says what a reading does that finds its lane full; "" is DropNew. An alert
// never waits.
type Rule string

// Rules, as START and the configuration have them.
const (
	DropNew Rule = "drop-new" // the reading is dropped and counted
	Block   Rule = "block"    // the sender waits for room, or for a revoke
)

// ErrBand is wrapped by the error for a band that no Out knows.
var ErrBand = errors.New("band is not one that this worker may send")

// SenderConfig is what a Sender is made of. Bells are write ends by grant name,
// borrowed and nonblocking. Lost, when set, is told of every alert that was given up unacknowledged; it is
// called with a lock held and must not call the Sender. Now may be nil.
type SenderConfig struct {
	Worker, Epoch uint32
	Outs          []Out
	Bells         map[string]*os.File
	Lost          func(to uint32, f reading.Frame)
	Now           Clock
}

// Sender sends the readings and alerts of one worker to all their receivers.
// Its methods may be called by several goroutines.
type Sender struct {
	cfg SenderConfig

	mu   sync.Mutex
	outs []*outLanes
	buf  [reading.AlertSize]byte
}

// outLanes are the lanes to one receiver.
type outLanes struct {
	Out
	urgent, routine, ack *sysvctl.Queue // nil where there is none
	bell                 *sysvctl.Ringer
	alerts               outbox
	seq                  uint64 // last one used on the routine lane
	sent, dropped        uint64 // on the routine lane
	waited               uint32 // of those sent or dropped
}

// NewSender makes a Sender. It makes no system call on the lanes, which may
// still be closed.
func NewSender(cfg SenderConfig) (*Sender, error) {
	if cfg.Now == nil {
		cfg.Now = SystemClock
	}
	s := &Sender{cfg: cfg}
	for _, out := range cfg.Outs {
		o := &outLanes{Out: out, urgent: attach(out.Urgent), routine: attach(out.Routine), ack: attach(out.Ack)}
		if out.Bell != "" {
			f := cfg.Bells[out.Bell]
			if f == nil {
				return nil, fmt.Errorf("queue %q to worker %d: bell %q was not granted", out.Queue, out.To, out.Bell)
			}
			var err error
			if o.bell, err = sysvctl.OpenRinger(f); err != nil {
				return nil, err
			}
		}
		s.outs = append(s.outs, o)
	}
	return s, nil
}

func attach(id int32) *sysvctl.Queue {
	if id < 0 {
		return nil
	}
	return sysvctl.Attach(sysvctl.ID(id))
}

// Reading sends a value to every receiver of the band. A full lane drops it and
// counts it (or waits, by its rule); that is no error. An error is a band that
// this worker does not have, a value or unit that does not fit a frame, or a
// lane that is closed (sysvctl.ErrRevoked) or gone (sysvctl.ErrRemoved); the
// other lanes got the reading then.
func (s *Sender) Reading(sensor uint32, band string, value float64, unit string) error {
	f, err := s.frame(reading.Reading, sensor, band, value, unit, "")
	if err != nil {
		return err
	}
	s.mu.Lock()
	var waiting []blocked
	for _, o := range s.outs {
		mtype, wanted := o.Bands[band]
		if wanted && o.urgent == nil && o.routine == nil {
			o.bell.Ring() // of one who shares a queue
		}
		if !wanted || o.routine == nil {
			continue
		}
		f.Band, f.Seq = mtype, o.seq+1
		sendErr := s.put(o.routine, &f)
		full := errors.Is(sendErr, sysvctl.ErrFull)
		if sendErr != nil && !full {
			err = errors.Join(err, o.fault(sendErr))
			continue
		}
		o.seq++ // a drop uses a number up, so that receivers see a gap
		switch {
		case full && o.Full == Block:
			o.waited++
			waiting = append(waiting, blocked{o, f})
		case full:
			o.dropped++
		default:
			o.sent++
		}
		o.bell.Ring()
	}
	s.mu.Unlock()
	for _, b := range waiting {
		err = errors.Join(err, s.wait(b))
	}
	return err
}

type blocked struct {
	o *outLanes
	f reading.Frame
}

// wait sends one frame with the lock open, so that alerts overtake it. A revoke
// ends it; it has no other end.
func (s *Sender) wait(b blocked) error {
	var buf [reading.Size]byte
	n, err := b.f.Encode(buf[:])
	if err != nil {
		return err
	}
	err = b.o.routine.Send(context.Background(), sysvctl.Type(b.f.Band), buf[:n])
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		b.o.dropped++
		return b.o.fault(err)
	}
	b.o.sent++
	b.o.bell.Ring()
	return nil
}

// frame fills in everything but band and sequence number, and proves that the
// frame can be encoded before a number is used up for it.
func (s *Sender) frame(kind reading.Kind, sensor uint32, band string, value float64, unit, text string) (reading.Frame, error) {
	known := false
	for _, o := range s.outs {
		if _, known = o.Bands[band]; known {
			break
		}
	}
	if !known {
		return reading.Frame{}, fmt.Errorf("%v of sensor %d: band %q: %w", kind, sensor, band, ErrBand)
	}
	f := reading.Frame{
		Kind: kind, Band: 1, Worker: s.cfg.Worker, Sensor: sensor, Epoch: s.cfg.Epoch, Seq: 1,
		Value: value, Unit: unit,
	}
	f.Boottime, f.Wall = s.cfg.Now()
	if cut := false; text != "" {
		if f.Text, cut = reading.CutText(text); cut {
			f.Flags |= reading.FlagCut
		}
	}
	var buf [reading.AlertSize]byte
	if _, err := f.Encode(buf[:]); err != nil {
		return reading.Frame{}, fmt.Errorf("sensor %d: %w", sensor, err)
	}
	return f, nil
}

// put sends one frame or fails at once. The lock is held.
func (s *Sender) put(q *sysvctl.Queue, f *reading.Frame) error {
	n, err := f.Encode(s.buf[:])
	if err != nil {
		return err
	}
	fault.Point("W9") // its first hit is the first send
	err = q.TrySend(sysvctl.Type(f.Band), s.buf[:n])
	fault.Point("W10") // in one lane: its bell is not rung, the other lanes are without it
	return err
}

func (o *outLanes) fault(err error) error {
	return fmt.Errorf("queue %q to worker %d: %w", o.Queue, o.To, err)
}

// Counts returns what was done on every lane so far.
func (s *Sender) Counts() []Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Count
	for _, o := range s.outs {
		if o.urgent != nil {
			all = append(all, s.count(o, true, o.alerts.seq, o.alerts.sent, o.alerts.lost))
		}
		if o.routine != nil {
			all = append(all, s.count(o, false, o.seq, o.sent, o.dropped))
			all[len(all)-1].Waited = o.waited
		}
	}
	return all
}

func (s *Sender) count(o *outLanes, urgent bool, last, sent, dropped uint64) Count {
	c := Count{Peer: o.To, Role: RoleSender, Urgent: urgent, Epoch: s.cfg.Epoch, Last: last, Taken: sent, Dropped: dropped}
	if last > 0 {
		c.First = 1
	}
	return c
}
