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
	day := today()
	var lines []byte
	for batch, err := range w.Batches(ctx, w.Duration("batch", 2*time.Second)) {
		if err != nil {
			return err
		}
		if now := today(); now != day {
			if err := w.Next("data"); err != nil {
				w.Logf("%v; writing on in the file of %s", err, day)
			} else {
				day = now
			}
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

// today is the day in UTC, which is what day files are named by.
func today() string { return time.Now().UTC().Format(time.DateOnly) }
