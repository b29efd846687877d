// Command modelcheck checks a Promela model: every run of its table to the end,
// every mutant, a kill at every label.
//
//	modelcheck [-quick] [-jobs N] FOLDER
//
// It exits 1 when anything is not as the tables say.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"sallyport/internal/modelcheck"
)

func main() {
	quick := flag.Bool("quick", false, "only the runs that the table marks as quick")
	jobs := flag.Int("jobs", min(runtime.NumCPU(), 2), "searches at the same `time`; each takes up to 1.9 GB")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: modelcheck [-quick] [-jobs N] FOLDER")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *quick, *jobs); err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		os.Exit(1)
	}
}

func run(model string, quick bool, jobs int) error {
	scratch, err := os.MkdirTemp("", "modelcheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	began := time.Now()
	c := modelcheck.Check{Model: model, Scratch: scratch, Quick: quick, Jobs: jobs, Out: os.Stdout}
	if err := c.Run(ctx); err != nil {
		return err
	}
	for _, line := range c.Bad {
		fmt.Fprintln(os.Stderr, "model:", line)
	}
	fmt.Printf("%.0f s\n", time.Since(began).Seconds())
	if len(c.Bad) != 0 {
		return fmt.Errorf("%d things are not as they should be", len(c.Bad))
	}
	return nil
}
