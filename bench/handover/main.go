// Handover is the benchmark of pkg/scmrights: acknowledged hand-overs from one
// process to another, beside a C program that passes the same descriptors in
// records of the same size with nothing but an answer. Both run in turns, in
// one run, all processes on one CPU. It prints ratios; it never fails for one.
//
// `make bench` builds both and starts it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	roleVariable   = "SALLYPORT_BENCH_ROLE"
	pinnedVariable = "SALLYPORT_BENCH_PINNED"
)

type options struct {
	bare   string // the C program
	cpu    int
	blocks int
	rounds int
	counts string
	search bool
}

func main() {
	if os.Getenv(roleVariable) == "worker" {
		exit(worker())
	}
	var o options
	flag.StringVar(&o.bare, "bare", "build/bench/bare", "the C program")
	flag.IntVar(&o.cpu, "cpu", runtime.NumCPU()-1, "the CPU that all processes run on")
	flag.IntVar(&o.blocks, "blocks", 10, "turns that each side has")
	flag.IntVar(&o.rounds, "rounds", 2000, "hand-overs in a turn with one descriptor; fewer with more")
	flag.StringVar(&o.counts, "descriptors", "1,16,250", "how many descriptors a hand-over has")
	flag.BoolVar(&o.search, "search", false, "compare the C program's ways to look at a descriptor, and nothing of ours")
	flag.Parse()
	cpu, err := strconv.Atoi(os.Getenv(pinnedVariable))
	if err != nil {
		exit(pinned(o.cpu))
	}
	o.cpu = cpu // what was asked for before only this one was left
	exit(run(o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "handover:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// pinned starts this program anew on one CPU, so that all threads of its
// runtime are there, and all that it starts.
func pinned(cpu int) error {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPU %d: %w", cpu, err)
	}
	err := syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), pinnedVariable+"="+strconv.Itoa(cpu)))
	return fmt.Errorf("start anew: %w", err)
}

func run(o options) error {
	fmt.Printf("one CPU (%d) for all processes, %s, GOMAXPROCS %d, %d turns each\n", o.cpu, runtime.Version(), runtime.GOMAXPROCS(0), o.blocks)
	fmt.Println("times in microseconds a hand-over, medians over the turns; x is the ratio to C bare")
	fmt.Printf("%5s  %-9s  %-32s  %-32s\n", "", "", "latency: offer to receipt", "cycle: with all closing")
	fmt.Printf("%5s  %-9s  %8s %6s %8s %6s  %8s %6s %8s %6s  %s\n", "descr", "side", "median", "x", "p99", "x", "median", "x", "p99", "x", "allocations: parent, worker")
	var errs []error
	for _, word := range strings.Split(o.counts, ",") {
		count, err := strconv.Atoi(word)
		if err == nil {
			err = compare(o, count)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
