// Command flooder is a worker that fills its log and its channel as fast as it
// can.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"sallyport/pkg/worker"
)

func main() {
	worker.Run(func(ctx context.Context, w *worker.Worker) error {
		go func() {
			line := strings.Repeat("flood \x1b[2J", 60)
			for ctx.Err() == nil {
				fmt.Fprintln(os.Stdout, line)
			}
		}()
		if err := w.Ready(); err != nil {
			return err
		}
		for ctx.Err() == nil {
			// Each of these makes the parent open the device anew and offer it.
			if err := w.Lost("load"); err != nil {
				return err
			}
		}
		return nil
	})
}
