// Command store appends everything it hears to the day file it was granted.
// Readings are written in batches, with one write and one fdatasync each, for
// the sake of SD cards; an alert is on the disk at once.
//
//	settings = { batch = "2s" }
package main

import (
	"context"
	"fmt"
	"time"

	"sallyport/pkg/worker"
)

func main() { worker.Run(store) }

func store(ctx context.Context, w *worker.Worker) error {
	day := days{today: dayOf(time.Now()), next: func() error { return w.Next("data") }}
	var lines []byte
	for batch, err := range w.Batches(ctx, w.Duration("batch", 2*time.Second)) {
		if err != nil {
			return err
		}
		if err := day.turn(time.Now()); err != nil {
			w.Logf("%v; writing on in the file of %s", err, day.today)
		}
		lines = lines[:0]
		for _, item := range batch {
			lines = appendLine(lines, item)
		}
		// After an error the last line may be torn. Whoever starts this worker
		// again repairs the file first, so there is nothing to mend here.
		if n, err := w.Append("data", lines); err != nil {
			return fmt.Errorf("%d of %d bytes: %w; look at the free space of the data directory", n, len(lines), err)
		}
	}
	return nil
}
