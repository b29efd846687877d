package lane

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

const (
	maxEpochs  = 8       // of one sender that a receiver remembers; a frame can claim any
	maxRejects = 64      // frames thrown away in a row before the next lane has its turn
	maxMessage = 1 << 16 // bytes; what can be in a lane by mistake
)

// lowestType is any message, the lowest type first: also types that are no band,
// which would otherwise stay in the lane for good.
var lowestType = sysvctl.UpTo(math.MaxInt64)

// inLane is one lane that this worker receives from.
type inLane struct {
	from       uint32
	queue, ack *sysvctl.Queue
	urgent     bool
	removed    bool
	epochs     []*epoch // least recently used first
	rejected   uint64
	reasons    []error // since they were last told
	// others are the further senders of a shared queue, each with books of its own.
	others []*inLane
	shared bool // it is one of them: others take from the queue too
}

// of finds the lane of a frame's sender. Where several share the queue, a frame
// can be in another's name, and whoever is not among them is Anyone.
func (l *inLane) of(worker uint32) *inLane {
	var anyone *inLane
	for i := -1; i < len(l.others); i++ {
		o := l
		if i >= 0 {
			o = l.others[i]
		}
		if o.from == worker {
			return o
		}
		if o.from == Anyone {
			anyone = o
		}
	}
	return anyone
}

// epoch is what came from one life of the lane's sender.
type epoch struct {
	sequence
	number uint32
	taken  uint64
}

func (l *inLane) epoch(number uint32) *epoch {
	i := slices.IndexFunc(l.epochs, func(e *epoch) bool { return e.number == number })
	var e *epoch
	if i >= 0 {
		e = l.epochs[i]
		l.epochs = slices.Delete(l.epochs, i, i+1)
	} else {
		e = &epoch{number: number}
		if len(l.epochs) == maxEpochs {
			l.epochs = slices.Delete(l.epochs, 0, 1)
		}
	}
	l.epochs = append(l.epochs, e)
	return e
}

// take returns the next good frame of the queue with the lane of its sender, or no
// lane.
func (l *inLane) take(r *Receiver) (from *inLane, f reading.Frame, err error) {
	for range maxRejects {
		m, err := l.queue.TryReceive(lowestType, r.buf)
		if errors.Is(err, sysvctl.ErrTooBig) {
			// Nobody may send this, but were it left it would block the lane.
			m, err = l.queue.TryReceive(lowestType, make([]byte, maxMessage))
		}
		switch {
		case err == nil:
		case errors.Is(err, sysvctl.ErrNoMessage):
			return nil, f, nil
		case errors.Is(err, sysvctl.ErrRevoked):
			return nil, f, nil // its sender is not ready yet
		case errors.Is(err, sysvctl.ErrRemoved):
			l.removed = true
			return nil, f, nil
		default:
			return nil, f, fmt.Errorf("lane from worker %d: %w", l.from, err)
		}
		f, reason := l.judge(m, r.cfg.Tap)
		from := l.of(f.Worker)
		if reason == nil && from == nil {
			reason = fmt.Errorf("frame says it is from worker %d", f.Worker)
		}
		if reason != nil {
			l.reject(reason)
			continue
		}
		if from.from == Anyone {
			return from, f, nil // whose numbers mean nothing to us
		}
		if again, held := from.epoch(f.Epoch).has(f.Seq), r.holds(from, &f); again || held {
			switch {
			case !l.urgent:
				l.reject(fmt.Errorf("sequence number %d of epoch %d came twice", f.Seq, f.Epoch))
			case again: // the first word of it was lost; one in hand has its word to come
				from.acknowledge(r.cfg.Worker, f.Band, f.Epoch, f.Seq)
			}
			continue
		}
		return from, f, nil
	}
	return nil, f, nil
}

// judge decodes a message and compares what it says with the lane it came
// through, which alone cannot be forged.
func (l *inLane) judge(m sysvctl.Message, tap bool) (reading.Frame, error) {
	f, err := reading.Decode(m.Data)
	switch {
	case err != nil:
		return f, err
	case sysvctl.Type(f.Band) != m.Type:
		return f, fmt.Errorf("frame of band %d came with message type %d", f.Band, m.Type)
	case tap && len(m.Data) != reading.Size:
		return f, fmt.Errorf("frame of %d bytes in a tap", len(m.Data))
	case tap && f.Kind != reading.Ack:
	case l.urgent != (f.Kind == reading.Alert) || f.Kind == reading.Ack:
		return f, fmt.Errorf("%v in a lane with urgent %v", f.Kind, l.urgent)
	}
	return f, nil
}

func (l *inLane) reject(reason error) {
	l.rejected++
	if len(l.reasons) < maxRejects {
		l.reasons = append(l.reasons, reason)
	}
}

// acknowledge tells the sender of an alert that it was acted on. When the word
// does not get through (lane full, or the sender is between two lives) the alert
// comes again and is acknowledged again.
func (l *inLane) acknowledge(worker uint32, band uint16, epoch uint32, seq uint64) {
	if l.ack == nil {
		return
	}
	var buf [reading.Size]byte
	f := reading.Frame{Kind: reading.Ack, Band: band, Worker: worker, Epoch: epoch, Seq: seq}
	if n, err := f.Encode(buf[:]); err == nil {
		_ = l.ack.TrySend(sysvctl.Type(f.Band), buf[:n])
	}
}

func (l *inLane) counts(to []Count) []Count {
	for i, e := range l.epochs {
		c := Count{Peer: l.from, Role: RoleReceiver, Urgent: l.urgent, Epoch: e.number, Gaps: e.gaps(), Taken: e.taken}
		c.First, c.Last = e.bounds()
		if l.shared {
			c.Gaps = 0 // others took them, or nobody: it cannot be told from here
		}
		if i == len(l.epochs)-1 {
			c.Dropped = l.rejected // they name no epoch that could be believed
		}
		to = append(to, c)
	}
	if len(l.epochs) == 0 && l.rejected > 0 {
		to = append(to, Count{Peer: l.from, Role: RoleReceiver, Urgent: l.urgent, Dropped: l.rejected})
	}
	return to
}
