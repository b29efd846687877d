package worker_test

import (
	"context"
	"fmt"
	"time"

	"sallyport/pkg/worker"
)

// A whole worker: every value that it was granted, every 10 seconds.
func Example() {
	worker.Run(func(ctx context.Context, w *worker.Worker) error {
		return w.Every(ctx, w.Duration("every", 10*time.Second), func() error {
			for name, value := range w.Values() {
				if err := w.Reading(name, value); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// A receiver: what others send, alerts first.
func ExampleWorker_Items() {
	worker.Run(func(ctx context.Context, w *worker.Worker) error {
		for item, err := range w.Items(ctx) {
			if err != nil {
				return err
			}
			if item.Alert {
				w.Logf("%s: %s", item.Sensor, item.Text)
			}
		}
		return nil
	})
}

// One value with a limit of its own, read once a second.
func ExampleAttr_Read() {
	worker.Run(func(ctx context.Context, w *worker.Worker) error {
		fridge, err := w.Attr("fridge")
		if err != nil {
			return err
		}
		return w.Every(ctx, time.Second, func() error {
			v, err := fridge.Read()
			if err != nil {
				return nil // lost, or not readable just now: the next second may do better
			}
			if v > 8 {
				return w.Alert("fridge", v, fmt.Sprintf("%.1f%s is too warm", v, fridge.Unit()))
			}
			return w.Reading("fridge", v)
		})
	})
}

// An output is a file that the supervisor opened for writing.
func ExampleWorker_File() {
	worker.Run(func(ctx context.Context, w *worker.Worker) error {
		return w.Every(ctx, time.Second, func() error {
			lamp, err := w.File("lamp")
			if err != nil {
				return err
			}
			_, err = lamp.WriteAt([]byte{"01"[time.Now().Second()%2]}, 0)
			return err
		})
	})
}
