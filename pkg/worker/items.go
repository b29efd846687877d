package worker

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
)

var (
	errNoReceive = errors.New("nothing may be received: give the worker a queue block with receive = [...]")
	errTwice     = errors.New("items are taken in another place already")
)

// Item is one reading or alert of another worker.
type Item struct {
	Sensor string    // "sensor 7" if the configuration does not name it
	Worker string    // the id of the sending worker, in decimal
	Unit   string    // at most 8 bytes
	Text   string    // of an alert, for people; may be empty
	Value  float64   // in Unit
	Time   time.Time // wall clock at the sender, in UTC
	Seq    uint64    // contiguous for one sender, urgency and epoch
	Alert  bool
}

// Option changes how Items receives.
type Option func(*options)

type options struct{ routineEvery time.Duration }

// RoutineEvery lets readings wait in their queue and takes them each d, while
// alerts are still taken at once and so overtake them. It is for receivers that
// work in batches, such as a store that synchronises its file once a batch.
func RoutineEvery(d time.Duration) Option {
	return func(o *options) { o.routineEvery = d }
}

// Items gives what other workers send to this one, alerts before readings and
// the most urgent band first, until ctx ends and what was queued by then is
// taken. It is to be ranged over once in a
// worker's life. An error is the last thing it gives. A plugin that takes longer
// over one item than the heartbeat of the configuration is taken to hang, and ended.
func (w *Worker) Items(ctx context.Context, opts ...Option) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		r, err := w.listen(opts)
		if err == nil {
			err = w.Ready()
		}
		loop := w.pulse.begin()
		defer w.pulse.end(loop)
		for hurried := false; err == nil; {
			var got lane.Item
			if got, err = r.Receive(ctx); err == nil {
				loop.plugin()
				more := yield(w.item(got), nil)
				loop.plugin()
				if !more {
					return
				}
			}
			err = lastRound(ctx, r, &hurried, err)
		}
		if ctx.Err() == nil {
			yield(Item{}, fail("receive", "", err))
		}
	}
}

func (w *Worker) listen(opts []Option) (*lane.Receiver, error) {
	if len(w.start.Receive) == 0 {
		return nil, errNoReceive
	}
	var o options
	for _, set := range opts {
		set(&o)
	}
	r, err := lane.NewReceiver(lane.ReceiverConfig{
		Worker:       w.start.Worker.ID,
		Ins:          w.start.Receive,
		Bell:         w.grants.cell(w.start.Bell).pin(),
		RoutineEvery: o.routineEvery,
		Seen: func(s lane.Seen) {
			_ = w.say(lane.MsgSeen, s.Append(nil)) // the end of the channel is noticed elsewhere
		},
		Rejected: w.rejected(),
	})
	if err != nil {
		return nil, err
	}
	if !w.receiver.CompareAndSwap(nil, r) {
		return nil, errTwice
	}
	return r, nil
}

func (w *Worker) item(got lane.Item) Item {
	f := &got.Frame
	s, known := w.all[f.Sensor]
	if !known {
		s.Name = "sensor " + strconv.FormatUint(uint64(f.Sensor), 10)
	}
	return Item{
		Sensor: s.Name,
		Worker: strconv.FormatUint(uint64(f.Worker), 10),
		Unit:   f.Unit,
		Text:   f.Text,
		Value:  f.Value,
		Time:   time.Unix(0, f.Wall).UTC(), // never Local: that would open /etc/localtime
		Seq:    f.Seq,
		Alert:  f.Kind == reading.Alert,
	}
}

// maxBatch is the most items of a batch.
const maxBatch = 1024

// Batches is Items for receivers that work in batches, such as a store that
// synchronises its file once a batch: readings wait in their queue and are given
// together each d, and an alert is given at once, with the readings that were
// taken before it. The slice is used again for the next batch. All of a batch counts
// as taken when the plugin asks for the next one: what a worker that is killed had
// not finished is not counted, and an alert among it comes again.
func (w *Worker) Batches(ctx context.Context, d time.Duration) iter.Seq2[[]Item, error] {
	return func(yield func([]Item, error) bool) {
		r, err := w.listen([]Option{RoutineEvery(d)})
		if err == nil {
			err = w.Ready()
		}
		loop := w.pulse.begin()
		defer w.pulse.end(loop)
		var batch []Item
		for hurried := false; err == nil; {
			batch, err = w.fill(ctx, r, batch[:0])
			if len(batch) > 0 {
				loop.plugin()
				more := yield(batch, nil)
				loop.plugin()
				if !more {
					return
				}
			}
			err = lastRound(ctx, r, &hurried, err)
		}
		if ctx.Err() == nil {
			yield(nil, fail("receive", "", err))
		}
	}
}

// lastRound lets a worker that is asked to stop take what is still queued for
// its next batch: the end of ctx counts only once that was tried.
func lastRound(ctx context.Context, r *lane.Receiver, hurried *bool, err error) error {
	if err == nil || ctx.Err() == nil || *hurried {
		return err
	}
	*hurried = true
	r.Hurry()
	return nil
}

// fill takes one batch. What it took before an error it gives with the error.
func (w *Worker) fill(ctx context.Context, r *lane.Receiver, batch []Item) ([]Item, error) {
	// A context that has ended makes Receive give what is there and not wait.
	over, cancel := context.WithCancel(ctx)
	cancel()
	wait, receive := ctx, r.Receive
	for len(batch) < maxBatch {
		got, err := receive(wait)
		switch {
		case err != nil && ctx.Err() == nil && errors.Is(err, context.Canceled):
			return batch, nil
		case err != nil:
			return batch, err
		}
		it := w.item(got)
		batch = append(batch, it)
		if it.Alert {
			return batch, nil
		}
		wait, receive = over, r.ReceiveMore
	}
	return batch, nil
}

// rejected logs the first frame of each sender that was thrown away; the counts
// have the rest.
func (w *Worker) rejected() func(uint32, error) {
	told := map[uint32]bool{}
	return func(from uint32, reason error) {
		if !told[from] {
			told[from] = true
			w.Logf("a frame of worker %d was thrown away: %v; later ones are only counted", from, reason)
		}
	}
}
