// Launch is the benchmark of a worker's start: from the call to the first byte
// of its program, beside bubblewrap starting the same static program under the
// same filter, in turns; what the levels of proof take; and what the filter costs
// a system call. It prints medians and ratios, and never fails for one.
//
// `make bench-launch` builds both and starts it, as root.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/policy"
)

type options struct {
	worker, first, bwrap string
	starts, calls        int
}

func main() {
	var o options
	flag.StringVar(&o.worker, "worker", "bin/worker", "the program with the launch stage")
	flag.StringVar(&o.first, "first", "build/bench/first", "the static program that is started")
	flag.StringVar(&o.bwrap, "bwrap", "/usr/bin/bwrap", "bubblewrap; without it, our side alone")
	flag.IntVar(&o.starts, "starts", 200, "starts of each side")
	flag.IntVar(&o.calls, "calls", 200, "batches of 5,000 calls of each kind, with and without the filter")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "launch:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root, as the supervisor does")
	}
	began := time.Now()
	bound, program, err := compile()
	if err != nil {
		return err
	}
	fmt.Printf("profile sensor-read: %d instructions, compiled and verified once in %v\n", len(program.BPF)/8, time.Since(began).Round(100*time.Microsecond))
	fmt.Printf("%s, GOMAXPROCS %d\n\n", runtime.Version(), runtime.GOMAXPROCS(0))
	if o.first, err = filepath.Abs(o.first); err != nil {
		return err
	}
	return errors.Join(compareStarts(o, bound, program), compareCalls(o, program))
}

func compile() (*seccomp.Bound, *seccomp.Program, error) {
	p, err := seccomp.Parse("sensor-read", policy.Files)
	if err != nil {
		return nil, nil, err
	}
	bound, err := p.Bind(seccomp.Native(), seccomp.Vars{"send_queues": {1, 2}, "block_queues": {}, "receive_queues": {3}, "frames": {64, 256}, "self_pid": {seccomp.PIDTemplate}})
	if err != nil {
		return nil, nil, err
	}
	program, err := scmp.Compile(bound)
	if err != nil {
		return nil, nil, err
	}
	return bound, program, seccomp.Verify(bound, program)
}

// sample is a set of durations.
type sample []time.Duration

func (s sample) at(percent int) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}

func line(name string, s sample, base time.Duration) {
	ratio := ""
	if base > 0 {
		ratio = fmt.Sprintf("%8.2f", float64(s.at(50))/float64(base))
	}
	fmt.Printf("%-44s %10v %10v %8s\n", name, s.at(50).Round(time.Microsecond), s.at(90).Round(time.Microsecond), ratio)
}
