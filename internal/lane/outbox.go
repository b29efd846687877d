package lane

import (
	"errors"
	"slices"
	"time"

	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

const (
	outboxSize  = 64              // alerts that wait for an acknowledgement, per receiver
	resendFirst = time.Second     // an alert that nobody acknowledged is sent again after this,
	resendLast  = 8 * time.Second // doubling to this
	ackBatch    = 4 * outboxSize  // acknowledgements read at a time
)

// outbox holds the alerts to one receiver that were not acknowledged yet.
type outbox struct {
	seq        uint64 // last one used on the urgent lane
	sent, lost uint64
	waiting    []waitingAlert // oldest first
}

type waitingAlert struct {
	frame reading.Frame
	sent  bool  // it was in the lane once
	again int64 // boot time in ns of the next attempt
	pause time.Duration
}

// Alert sends an alert to every receiver of the band, and keeps it until each
// has acknowledged it. A full lane delays it and is no error. The text is
// cleaned and cut to reading.MaxText bytes. The errors are those of Reading;
// an alert for a lane that is closed or gone is not kept.
func (s *Sender) Alert(sensor uint32, band string, value float64, unit, text string) error {
	f, err := s.frame(reading.Alert, sensor, band, value, unit, text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.outs {
		mtype, wanted := o.Bands[band]
		if !wanted {
			continue
		}
		f.Band = mtype
		var sendErr error
		switch {
		case o.urgent != nil:
			sendErr = s.alert(o, f)
		case o.To == 0 && o.routine != nil:
			sendErr = s.tap(o, f)
		}
		if sendErr != nil {
			err = errors.Join(err, o.fault(sendErr))
		}
		o.bell.Ring()
	}
	return err
}

func (s *Sender) alert(o *outLanes, f reading.Frame) error {
	box := &o.alerts
	f.Seq = box.seq + 1
	err := s.put(o.urgent, &f)
	if err != nil && !errors.Is(err, sysvctl.ErrFull) {
		return err
	}
	box.seq++
	if len(box.waiting) >= outboxSize {
		s.collect(o)
	}
	if len(box.waiting) >= outboxSize {
		s.giveUp(o, 0)
	}
	w := waitingAlert{frame: f, pause: resendFirst}
	if err == nil {
		w.sent = true
		w.again = f.Boottime + int64(w.pause)
		box.sent++
	}
	box.waiting = append(box.waiting, w)
	return nil
}

// tap sends an alert to the supervisor's tap: once, and without its text, as
// the parent reads fixed 64-byte frames only.
func (s *Sender) tap(o *outLanes, f reading.Frame) error {
	f.Text, f.Flags = "", f.Flags&^reading.FlagCut
	f.Seq = o.seq + 1
	switch err := s.put(o.routine, &f); {
	case err == nil:
		o.sent++
	case errors.Is(err, sysvctl.ErrFull):
		o.dropped++
	default:
		return err
	}
	o.seq++
	return nil
}

// Tick collects acknowledgements and sends again what had none in time. Call it
// about every 100 ms.
func (s *Sender) Tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, _ := s.cfg.Now()
	for _, o := range s.outs {
		if o.urgent != nil && len(o.alerts.waiting) > 0 {
			s.collect(o)
			s.resend(o, now)
		}
	}
}

// Waiting is the number of alerts that are not acknowledged by all their receivers.
func (s *Sender) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, o := range s.outs {
		n += len(o.alerts.waiting)
	}
	return n
}

func (s *Sender) collect(o *outLanes) {
	if o.ack == nil {
		return
	}
	var buf [reading.Size]byte
	for range ackBatch {
		m, err := o.ack.TryReceive(sysvctl.Any(), buf[:])
		if err != nil {
			return // empty, or not open yet: a later Tick looks again
		}
		f, err := reading.Decode(m.Data)
		if err != nil || f.Kind != reading.Ack || f.Worker != o.To && o.To != Anyone || f.Epoch != s.cfg.Epoch {
			continue // of a predecessor of ours, or rubbish: it acknowledges nothing
		}
		o.alerts.waiting = slices.DeleteFunc(o.alerts.waiting, func(w waitingAlert) bool { return w.frame.Seq == f.Seq })
	}
}

func (s *Sender) resend(o *outLanes, now int64) {
	rang := false
	for i := 0; i < len(o.alerts.waiting); i++ {
		w := &o.alerts.waiting[i]
		if w.again > now {
			continue
		}
		f := w.frame
		if w.sent {
			f.Flags |= reading.FlagResent
		}
		err := s.put(o.urgent, &f)
		if errors.Is(err, sysvctl.ErrRemoved) {
			s.giveUp(o, i)
			i--
			continue
		}
		if err != nil {
			break // full or closed: so it is for the next one
		}
		if w.sent {
			w.pause = min(2*w.pause, resendLast)
		} else {
			w.sent = true
			o.alerts.sent++
		}
		w.again = now + int64(w.pause)
		rang = true
	}
	if rang {
		o.bell.Ring()
	}
}

func (s *Sender) giveUp(o *outLanes, i int) {
	f := o.alerts.waiting[i].frame
	o.alerts.waiting = slices.Delete(o.alerts.waiting, i, i+1)
	o.alerts.lost++
	if s.cfg.Lost != nil {
		s.cfg.Lost(o.To, f)
	}
}
