package lane

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

// slowTick is how often a receiver looks at its lanes when no bell rings.
const slowTick = time.Second

// ReceiverConfig is what a Receiver is made of. Bell is the read end of the own
// bell, borrowed; it must be nonblocking, so that it is in Go's poller. With
// RoutineEvery above 0 routine lanes are emptied only so often, while alerts are
// taken at once. Tap is set by the supervisor: its lanes carry alerts beside
// readings and nothing is acknowledged. Seen is told about each alert a second
// and a RoutineEvery after it was taken, Rejected about each frame that was thrown away; both are
// called by the goroutine that calls Receive. Now may be nil.
type ReceiverConfig struct {
	Worker       uint32
	Ins          []In
	Bell         *os.File
	RoutineEvery time.Duration
	Tap          bool
	Seen         func(Seen)
	Rejected     func(from uint32, reason error)
	Now          Clock
}

// Item is one frame that was taken. Urgent says that it is an alert.
type Item struct {
	Frame  reading.Frame
	Urgent bool
}

// Receiver takes frames from all lanes of one worker. Receive must be called by
// one goroutine at a time; Counts by any.
type Receiver struct {
	cfg  ReceiverConfig
	bell *sysvctl.Doorbell // nil without one

	mu              sync.Mutex
	urgent, routine rota
	hand            []held // what the caller has in hand
	emptying        bool   // of the routine lanes, with RoutineEvery
	nextRoutine     int64  // boot time in ns
	windows         windows
	buf             []byte
}

// held is a frame that was given out, and its lane.
type held struct {
	lane  *inLane
	epoch uint32
	seq   uint64
	band  uint16
}

// NewReceiver makes a Receiver. Lanes may still be closed: such a lane counts as
// empty.
func NewReceiver(cfg ReceiverConfig) (*Receiver, error) {
	if cfg.Now == nil {
		cfg.Now = SystemClock
	}
	var bell *sysvctl.Doorbell
	if cfg.Bell != nil {
		var err error
		if bell, err = sysvctl.OpenDoorbell(cfg.Bell); err != nil {
			return nil, fmt.Errorf("worker %d: %w", cfg.Worker, err)
		}
	}
	r := &Receiver{bell: bell, cfg: cfg, buf: make([]byte, reading.AlertSize), windows: windows{round: cfg.RoutineEvery}}
	for _, in := range cfg.Ins {
		r.urgent.add(in.Urgent, &inLane{from: in.From, ack: attach(in.Ack), urgent: true})
		r.routine.add(in.Routine, &inLane{from: in.From})
	}
	return r, nil
}

// Receive returns the next frame: from an urgent lane if one has any, else from
// a routine lane; from each the lowest message type first, senders in turn. It
// waits until ctx ends. Calling it again says that the frame before was acted
// on; only then is an alert acknowledged, so that one in the hand of a worker
// that is killed is sent again to its successor.
func (r *Receiver) Receive(ctx context.Context) (Item, error) {
	r.Acted()
	return r.ReceiveMore(ctx)
}

// ReceiveMore is Receive that does not say so: the frames before stay in hand,
// with the one that it returns, until the next Receive or Acted. It is for
// workers that act on several at once; the caller bounds how many.
func (r *Receiver) ReceiveMore(ctx context.Context) (Item, error) {
	for {
		item, found, err := r.take()
		if found || err != nil {
			return item, err
		}
		if ctx.Err() != nil {
			r.report(r.allWindows())
			return Item{}, context.Cause(ctx)
		}
		r.wait(ctx)
	}
}

func (r *Receiver) take() (item Item, found bool, err error) {
	r.mu.Lock()
	now, _ := r.cfg.Now()
	ended := r.windows.ended(now)
	item, found, err = r.look(now)
	rejected := r.urgent.takeRejected(r.routine.takeRejected(nil))
	r.mu.Unlock()
	r.report(ended)
	if r.cfg.Rejected != nil {
		for _, j := range rejected {
			r.cfg.Rejected(j.from, j.reason)
		}
	}
	return item, found, err
}

// look goes through the lanes once. The lock is held.
func (r *Receiver) look(now int64) (Item, bool, error) {
	if r.urgent.gone() && r.routine.gone() {
		return Item{}, false, fmt.Errorf("worker %d has no lane left to receive from: %w", r.cfg.Worker, sysvctl.ErrRemoved)
	}
	l, f, err := r.urgent.next(r)
	if l == nil && err == nil {
		if r.cfg.RoutineEvery > 0 && !r.emptying && now < r.nextRoutine {
			return Item{}, false, nil
		}
		r.emptying = true
		if l, f, err = r.routine.next(r); l == nil && err == nil {
			r.emptying = false
			r.nextRoutine = now + int64(r.cfg.RoutineEvery)
		}
	}
	if l == nil || err != nil {
		return Item{}, false, err
	}
	r.hand = append(r.hand, held{l, f.Epoch, f.Seq, f.Band})
	if l.from == Anyone {
		return Item{Frame: f, Urgent: f.Kind == reading.Alert}, true, nil // its clock and sensors are its own
	}
	if f.Kind == reading.Reading {
		r.windows.routine(f.Boottime)
	} else if r.cfg.Seen != nil {
		r.windows.open(l.from, &f, now)
	}
	return Item{Frame: f, Urgent: f.Kind == reading.Alert}, true, nil
}

// holds says whether a frame is in hand already.
func (r *Receiver) holds(l *inLane, f *reading.Frame) bool {
	for i := range r.hand {
		if h := &r.hand[i]; h.lane == l && h.seq == f.Seq && h.epoch == f.Epoch {
			return true
		}
	}
	return false
}

// Acted says that everything in hand was acted on, as the next Receive would, for
// a worker that ends in good order.
func (r *Receiver) Acted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.hand {
		if h.lane.from == Anyone {
			h.lane.epoch(0).taken++
			continue
		}
		e := h.lane.epoch(h.epoch)
		e.add(h.seq)
		e.taken++
		if h.lane.urgent {
			h.lane.acknowledge(r.cfg.Worker, h.band, h.epoch, h.seq)
		}
	}
	r.hand = r.hand[:0]
}

// Hurry makes readings due that RoutineEvery would keep for later, for a worker
// that is about to end: what is queued is taken by the next calls of Receive.
func (r *Receiver) Hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nextRoutine = 0
}

// wait returns when the bell rings, something is due, or ctx ends. The order of
// ring and look is what makes it safe: a sender sends and then rings, so a
// message that look did not see has its ring still in the pipe.
func (r *Receiver) wait(ctx context.Context) {
	now, _ := r.cfg.Now()
	r.mu.Lock()
	until := now + int64(slowTick)
	if r.cfg.RoutineEvery > 0 {
		until = min(until, r.nextRoutine)
	}
	until = r.windows.earliest(until)
	r.mu.Unlock()
	pause := max(time.Duration(until-now), time.Millisecond)
	if r.bell != nil {
		r.bell.Wait(ctx, pause)
		return
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (r *Receiver) allWindows() []Seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.windows.all()
}

func (r *Receiver) report(seen []Seen) {
	for _, s := range seen {
		r.cfg.Seen(s)
	}
}

// Counts returns what was acted on, per lane and epoch of its sender.
func (r *Receiver) Counts() []Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routine.counts(r.urgent.counts(nil))
}
