// Command supervisor measures the built supervisor: how soon a killed worker's
// successor holds its descriptors again, how soon many workers that are killed
// at once are ready, and what the supervisor itself takes of the machine.
//
//	supervisor [-workers 64] [-kills 100] [-idle 30s] [-results FILE] BIN
//
// BIN is the folder of the built programs. It must run as root.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sallyport/tests/results"
)

func main() {
	workers := flag.Int("workers", 64, "workers that are killed at once")
	kills := flag.Int("kills", 100, "kills of one worker, one after the other")
	idle := flag.Duration("idle", 30*time.Second, "how long an idle supervisor is watched")
	file := flag.String("results", "", "file to append the result to")
	flag.Parse()
	if flag.NArg() != 1 || os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "usage (as root): supervisor [flags] BIN")
		os.Exit(2)
	}
	bin, err := filepath.Abs(flag.Arg(0))
	if err == nil {
		err = measure(bin, *workers, *kills, *idle, *file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-supervisor:", err)
		os.Exit(1)
	}
}

func measure(bin string, workers, kills int, idle time.Duration, file string) error {
	ctx := context.Background()
	r := results.Begin(fmt.Sprintf("make bench-supervisor ARGS=\"-workers %d -kills %d -idle %v\"", workers, kills, idle), time.Now())
	for _, step := range []func(*results.Run) error{
		func(r *results.Run) error { return regrant(ctx, bin, kills, r) },
		func(r *results.Run) error { return storm(ctx, bin, workers, r) },
		func(r *results.Run) error { return footprint(ctx, bin, idle, r) },
	} {
		if err := step(&r); err != nil {
			return err
		}
	}
	for _, l := range r {
		fmt.Printf("%-32s %s\n", l.Key, l.Value)
	}
	if file == "" {
		return nil
	}
	return results.Append(file, r)
}
