package main

import (
	"context"
	"time"

	"sallyport/pkg/worker"
)

// read is the ready-made worker `worker read`: it sends every value that the
// configuration grants it, each `every` (a setting, 10 s if it is not set).
func read(ctx context.Context, w *worker.Worker) error {
	return w.Every(ctx, w.Duration("every", 10*time.Second), func() error {
		for name, value := range w.Values() {
			if err := w.Reading(name, value); err != nil {
				return err
			}
		}
		return nil
	})
}
