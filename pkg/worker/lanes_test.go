package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/worker"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), workertest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// counts reads the last COUNT of every lane until the channel ends.
func counts(t *testing.T, s *subject) map[bool]lane.Count {
	t.Helper()
	last := map[bool]lane.Count{}
	for m := range s.Heard {
		if m.Kind != lane.MsgCount {
			continue
		}
		c, err := lane.DecodeCount(m.Body)
		if err != nil {
			t.Fatal(err)
		}
		last[c.Urgent] = c
	}
	return last
}

func TestReadingsAndAlertsArrive(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	sent := make(chan struct{})
	s := beginIn(t.Context(), t, 4, func(ctx context.Context, w *worker.Worker) error {
		for i := range 3 {
			if err := w.Reading("fridge", float64(i)); err != nil {
				return err
			}
		}
		if err := w.Alert("fridge", 9.5, "too warm"); err != nil {
			return err
		}
		if err := w.Reading("freezer", 1); !errors.Is(err, worker.ErrUndeclared) {
			return fmt.Errorf("a sensor of nobody: %w", err)
		}
		if err := w.Alert("theirs", 1, ""); !errors.Is(err, worker.ErrUndeclared) {
			return fmt.Errorf("a sensor of another: %w", err)
		}
		close(sent)
		<-ctx.Done()
		return nil
	})
	lanes := workertest.NewLanes(t)
	theirs := workertest.Sensor(8, "theirs", "", "")
	theirs.Worker = 2
	// START before the bell: the worker waits for it.
	s.Start(lane.Start{Sensors: []lane.Sensor{workertest.Sensor(7, "fridge", "", ""), theirs}, Send: []lane.Out{lanes.Out(2)}})
	s.GrantBells(lanes, nil)
	s.Expect(lane.MsgReady)
	time.Sleep(20 * time.Millisecond) // a worker that does not wait would send now
	if urgent, routine := lanes.Waiting(); urgent+routine != 0 {
		t.Errorf("%d and %d messages were sent before READY was confirmed", urgent, routine)
	}
	if err := s.Conn.Ping(); err != nil {
		t.Fatal(err)
	}
	<-sent
	r := lanes.Receiver(2, 1)
	var got []string
	for range 4 {
		it, err := r.Receive(within(t))
		if err != nil {
			t.Fatal(err)
		}
		f := it.Frame
		got = append(got, fmt.Sprintf("%v %d %d/%d %g%s %s", f.Kind, f.Sensor, f.Epoch, f.Seq, f.Value, f.Unit, f.Text))
	}
	want := []string{"alert 7 4/1 9.5C too warm", "reading 7 4/1 0C ", "reading 7 4/2 1C ", "reading 7 4/3 2C "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.Acted()
	s.Stop()
	if err := s.End(); err != nil {
		t.Error(err)
	}
	if c := counts(t, s); c[false].Taken != 3 || c[true].Taken != 1 || c[true].Role != lane.RoleSender || c[false].Epoch != 4 {
		t.Errorf("counted %+v", c)
	}
}

// The supervisor closes the lanes first and says STOP second: what a worker
// sends in between is refused, and no failure of the worker.
func TestClosedLaneIsNoError(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		for range 3 {
			if err := w.Reading("fridge", 1); err != nil {
				return err
			}
		}
		if err := w.Alert("fridge", 9, "too warm"); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	lanes := workertest.NewLanes(t)
	s.GrantBells(lanes, nil)
	s.Start(lane.Start{Sensors: []lane.Sensor{workertest.Sensor(7, "fridge", "", "")}, Send: []lane.Out{lanes.Out(2)}})
	s.Expect(lane.MsgReady)
	for _, q := range []interface{ Remove() error }{lanes.Urgent, lanes.Routine} {
		if err := q.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Conn.Ping(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { time.Sleep(time.Millisecond); return len(s.lines()) == 2 })
	s.Stop()
	if err := s.End(); err != nil {
		t.Error(err)
	}
	// The alert is named at once; readings are not worth a line before STOP had its time.
	if log := s.lines(); !strings.Contains(log[0], "alert of fridge (9)") || !strings.Contains(log[1], "readings are refused") {
		t.Errorf("logged %q", log)
	}
}

func TestSendWithoutQueue(t *testing.T) {
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		for _, err := range w.Items(ctx) {
			if err == nil || !strings.Contains(err.Error(), "receive = ") {
				t.Errorf("items: %v", err)
			}
		}
		return w.Reading("fridge", 1)
	})
	s.Start(lane.Start{Sensors: []lane.Sensor{workertest.Sensor(7, "fridge", "", "")}})
	if err := s.End(); err == nil || !strings.Contains(err.Error(), "send = ") {
		t.Errorf("ended with %v", err)
	}
}

func receiving(lanes *workertest.Lanes) lane.Start {
	return lane.Start{
		Worker:  lane.StartWorker{ID: 2, Name: "receiver"},
		Sensors: []lane.Sensor{workertest.Sensor(7, "fridge", "", "")},
		Receive: []lane.In{lanes.In(1)}, Bell: "bell",
	}
}

func descriptors(t *testing.T) []string {
	t.Helper()
	table, err := testenv.Descriptors()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func fill(t *testing.T, tx *lane.Sender, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := tx.Reading(7, "reading", float64(i), "C"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestItemsGivesAlertsFirst(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	items := make(chan worker.Item, 16)
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		for it, err := range w.Items(ctx) {
			if err != nil {
				return err
			}
			items <- it
		}
		return nil
	})
	lanes := workertest.NewLanes(t)
	s.GrantBells(nil, lanes)
	s.Start(receiving(lanes))
	tx := lanes.Sender(1, 2)
	before := time.Now()
	fill(t, tx, 0, 2)
	if err := tx.Reading(99, "reading", 5, ""); err != nil {
		t.Fatal(err)
	}
	if err := tx.Alert(7, "alert", 9.5, "C", "too warm"); err != nil {
		t.Fatal(err)
	}
	s.Ready()
	var got []worker.Item
	for range 4 {
		it := <-items
		if it.Time.Location() != time.UTC || it.Time.Before(before) || it.Time.After(time.Now()) {
			t.Errorf("time %v", it.Time)
		}
		it.Time = time.Time{}
		got = append(got, it)
	}
	want := []worker.Item{
		{Sensor: "fridge", Worker: "1", Unit: "C", Text: "too warm", Value: 9.5, Seq: 1, Alert: true},
		{Sensor: "fridge", Worker: "1", Unit: "C", Value: 0, Seq: 1},
		{Sensor: "fridge", Worker: "1", Unit: "C", Value: 1, Seq: 2},
		{Sensor: "sensor 99", Worker: "1", Value: 5, Seq: 3},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// A bell that is granted again changes nothing; one copy is kept, in the
	// ledger of the sending side.
	open := len(descriptors(t))
	s.GrantBells(nil, lanes)
	until(t, func() bool { return len(descriptors(t)) == open+1 })
	// The bell wakes the worker well before its slow look.
	woken := time.Now()
	fill(t, tx, 2, 3)
	<-items
	if d := time.Since(woken); d > 500*time.Millisecond {
		t.Errorf("woken after %v", d)
	}
	seen, err := lane.DecodeSeen(s.Expect(lane.MsgSeen).Body)
	if err != nil || seen.Overtook != 3 || seen.From != 1 || seen.Sensor != 7 {
		t.Errorf("seen %+v, %v", seen, err)
	}
	s.Stop()
	if err := s.End(); err != nil {
		t.Error(err)
	}
	if c := counts(t, s); c[false].Taken != 4 || c[true].Taken != 1 || c[false].Role != lane.RoleReceiver || c[false].Gaps != 0 {
		t.Errorf("counted %+v", c)
	}
}

// An alert is confirmed when the plugin asks for the next item, not before.
func TestItemsConfirmsWhatWasActedOn(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	boom := errors.New("boom")
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		for _, err := range w.Items(ctx) {
			return errors.Join(boom, err)
		}
		return nil
	})
	lanes := workertest.NewLanes(t)
	s.GrantBells(nil, lanes)
	s.Start(receiving(lanes))
	tx := lanes.Sender(1, 2)
	if err := tx.Alert(7, "alert", 9.5, "C", "too warm"); err != nil {
		t.Fatal(err)
	}
	s.Ready()
	if err := s.End(); !errors.Is(err, boom) {
		t.Errorf("ended with %v", err)
	}
	tx.Tick()
	if tx.Waiting() != 1 {
		t.Error("an alert that the worker failed on was confirmed")
	}
}

func TestBatches(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	batches := make(chan string)
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		for batch, err := range w.Batches(ctx, 300*time.Millisecond) {
			if err != nil {
				return err
			}
			var text strings.Builder
			for _, it := range batch {
				if it.Alert {
					text.WriteByte('!')
				}
				fmt.Fprintf(&text, "%g ", it.Value)
			}
			batches <- strings.TrimSpace(text.String())
			<-batches
		}
		return nil
	})
	lanes := workertest.NewLanes(t)
	s.GrantBells(nil, lanes)
	s.Start(receiving(lanes))
	tx := lanes.Sender(1, 2)
	fill(t, tx, 0, 3)
	s.Ready()
	if got := <-batches; got != "0 1 2" {
		t.Errorf("first batch %q", got)
	}
	fill(t, tx, 3, 5)
	batches <- ""
	start := time.Now()
	time.Sleep(20 * time.Millisecond)
	if err := tx.Alert(7, "alert", 9, "C", ""); err != nil {
		t.Fatal(err)
	}
	if got, d := <-batches, time.Since(start); got != "!9" || d > 200*time.Millisecond {
		t.Errorf("after %v a batch %q, want the alert at once and alone", d, got)
	}
	tx.Tick()
	if tx.Waiting() != 1 {
		t.Error("the alert was confirmed before it was acted on")
	}
	batches <- ""
	if got, d := <-batches, time.Since(start); got != "3 4" || d < 200*time.Millisecond {
		t.Errorf("after %v a batch %q, want the readings 300 ms after the first ones", d, got)
	}
	tx.Tick()
	if tx.Waiting() != 0 {
		t.Error("the alert was not confirmed")
	}
	batches <- ""
	if seen, err := lane.DecodeSeen(s.Expect(lane.MsgSeen).Body); err != nil || seen.Overtook != 2 {
		t.Errorf("seen %+v, %v", seen, err)
	}
	s.Stop()
	if err := s.End(); err != nil {
		t.Error(err)
	}
}

// No item is lost between batches.
func TestBatchesLoseNothing(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const sent = 200
	total := make(chan int, 1)
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		n := 0
		for batch, err := range w.Batches(ctx, time.Millisecond) {
			if err != nil {
				return err
			}
			if n += len(batch); n >= sent {
				total <- n
			}
		}
		return nil
	})
	lanes := workertest.NewLanes(t)
	s.GrantBells(nil, lanes)
	s.Start(receiving(lanes))
	tx := lanes.Sender(1, 2)
	s.Ready()
	for i := 0; i < sent; {
		if _, routine := lanes.Waiting(); routine*reading.Size > 4096 {
			time.Sleep(time.Millisecond)
			continue
		}
		fill(t, tx, i, i+1)
		i++
	}
	select {
	case n := <-total:
		if n != sent {
			t.Errorf("%d items, want %d", n, sent)
		}
	case <-time.After(workertest.Patience):
		t.Error("items are missing")
	}
	s.Stop()
	if err := s.End(); err != nil {
		t.Error(err)
	}
}
