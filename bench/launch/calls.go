package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/pidpin"
	"sallyport/internal/sys"
)

// batch is how many calls are timed together.
const batch = 5000

// hot are the calls that a worker makes all the time, and one whose arguments the
// filter looks at.
var hot = []struct {
	name string
	do   func()
}{
	{"getpid (a null call)", func() { _, _, _ = unix.RawSyscall(unix.SYS_GETPID, 0, 0, 0) }},
	{"read of nothing", func() { _, _, _ = unix.RawSyscall(unix.SYS_READ, 9999, 0, 0) }},
	{"write of nothing", func() { _, _, _ = unix.RawSyscall(unix.SYS_WRITE, 9999, 0, 0) }},
	{"futex, a bad address", func() { _, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, 0, 1, 1, 0, 0, 0) }},
	{"epoll_pwait, a bad descriptor", func() { _, _, _ = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, 9999, 1, 1, 0, 0, 0) }},
	{"nanosleep, a bad address", func() { _, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, 0, 0, 0) }},
	{"fcntl F_GETFD (arguments compared)", func() { _, _, _ = unix.RawSyscall(unix.SYS_FCNTL, 9999, unix.F_GETFD, 0) }},
}

// compareCalls times each kind on a thread without a filter and on one with it,
// in turns, both on one CPU.
func compareCalls(o options, program *seccomp.Program) error {
	bare, err := newThread(nil)
	if err != nil {
		return err
	}
	filtered, err := newThread(pidpin.Pin(program.BPF, os.Getpid()))
	if err != nil {
		return err
	}
	fmt.Printf("%-44s %10s %10s %8s\n", "a system call, nanoseconds", "bare", "filtered", "x")
	for i := range hot {
		var without, with sample
		for range o.calls {
			without, with = append(without, bare.time(i)), append(with, filtered.time(i))
		}
		a, b := float64(without.at(50).Nanoseconds())/batch, float64(with.at(50).Nanoseconds())/batch
		fmt.Printf("%-44s %10.1f %10.1f %8.2f\n", hot[i].name, a, b, b/a)
	}
	return nil
}

// thread is one thread of the operating system that times what it is asked to. It
// lives as long as this program.
type thread struct {
	ask    chan int
	answer chan time.Duration
}

func newThread(filter []byte) (*thread, error) {
	t := &thread{ask: make(chan int), answer: make(chan time.Duration)}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread()
		var one unix.CPUSet
		one.Set(runtime.NumCPU() - 1)
		err := unix.SchedSetaffinity(0, &one)
		if err == nil && filter != nil {
			if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
				_, err = sys.SeccompLoad(filter)
			}
		}
		ready <- err
		for i := range t.ask {
			do := hot[i].do
			began := time.Now()
			for range batch {
				do()
			}
			t.answer <- time.Since(began)
		}
	}()
	return t, <-ready
}

func (t *thread) time(kind int) time.Duration {
	t.ask <- kind
	return <-t.answer
}
