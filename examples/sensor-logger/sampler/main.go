// Command sampler reads every value granted to it and sends it, and sends an
// alert when one crosses a limit.
//
//	settings = { every = "10s", alert = "fridge > 8" }
package main

import (
	"context"
	"fmt"
	"time"

	"sallyport/pkg/worker"
)

func main() { worker.Run(sample) }

func sample(ctx context.Context, w *worker.Worker) error {
	rules, err := parseRules(w.Setting("alert"))
	if err != nil {
		return fmt.Errorf("setting %q: %w", "alert", err)
	}
	return w.Every(ctx, w.Duration("every", 10*time.Second), func() error {
		for name, value := range w.Values() {
			if err := w.Reading(name, value); err != nil {
				return err
			}
			for _, r := range rules {
				if !r.crossed(name, value) {
					continue
				}
				if err := w.Alert(name, value, r.text(value)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
