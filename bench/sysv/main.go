// Sysv is the benchmark of pkg/sysvctl: round trips and floods beside a C program
// that makes the bare calls, in turns of one run on one CPU; the latency of alerts
// under senders that saturate, in lanes and in one queue; how long a cancelled
// call takes to come back; what a receiver that waits costs. It prints ratios,
// medians and 99th percentiles; it never fails for one.
//
// `make bench` builds both and starts it. It needs root, for an IPC namespace of
// its own.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	apartVariable = "SALLYPORT_BENCH_APART"
	roleVariable  = "SALLYPORT_BENCH_SYSV_ROLE"
)

type options struct {
	bare    string // the C program
	cpu     int
	turns   int
	rounds  int
	alerts  int
	cancels int
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		exit(play(role, os.Args[1:]))
	}
	var o options
	flag.StringVar(&o.bare, "bare", "build/bench/queue", "the C program")
	flag.IntVar(&o.cpu, "cpu", runtime.NumCPU()-1, "the CPU of round trips and floods")
	flag.IntVar(&o.turns, "turns", 9, "turns that each side has")
	flag.IntVar(&o.rounds, "rounds", 5000, "round trips in a turn; a flood has 20 times as many messages")
	flag.IntVar(&o.alerts, "alerts", 300, "alerts under load, for each strategy and turn")
	flag.IntVar(&o.cancels, "cancels", 5000, "cancelled calls")
	flag.Parse()
	if os.Getenv(apartVariable) == "" {
		exit(apart())
	}
	exit(run(o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sysv:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// apart runs this program again in an IPC namespace of its own, which takes every
// queue along when it ends.
func apart() error {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), apartVariable+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("in an IPC namespace of its own (needs root): %w", err)
	}
	return nil
}

func run(o options) error {
	for _, part := range []func(options) error{roundTrips, floods, alerts, cancels, idle} {
		if err := part(o); err != nil {
			return err
		}
		fmt.Println()
	}
	return nil
}

// child is a process of a measurement: one of ours in a role, or the C program.
func child(program string, cpu int, role string, args ...any) *exec.Cmd {
	self, _ := os.Executable() // "" fails at the start, with words
	cmd := exec.Command(self)
	if program != "" {
		cmd = exec.Command(program, role)
	}
	for _, a := range args {
		cmd.Args = append(cmd.Args, fmt.Sprint(a))
	}
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	if cpu >= 0 {
		// taskset(1) before the start, so that all threads of a runtime have it.
		cmd.Args = append([]string{"taskset", "-c", fmt.Sprint(cpu), cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/usr/bin/taskset"
	}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// pair runs two processes at once and returns what the second printed.
func pair(first, second *exec.Cmd) ([]byte, error) {
	if err := first.Start(); err != nil {
		return nil, err
	}
	out, err := second.Output()
	if err != nil {
		_ = first.Process.Kill() // or it would wait for ever
	}
	return out, errors.Join(err, first.Wait())
}

// at is a percentile of a sorted list.
func at[T any](sorted []T, percent int) T { return sorted[(len(sorted)-1)*percent/100] }

func median[T float64 | uint32](list []T) T {
	list = slices.Clone(list)
	slices.Sort(list)
	return at(list, 50)
}

func cpuTime(who int) (ms float64) {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u) // cannot fail
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}
