package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/sysvctl"
)

const (
	alertType   = 1
	readingType = 9
	saturating  = 4                     // senders of readings without a pause
	handling    = 50 * time.Microsecond // what the receiver does with each
)

func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail
	return t.Nano()
}

// A strategy is which queue each reading sender and the alert sender use, and in
// what order the receiver looks.
type strategy struct {
	name  string
	lanes bool
	sel   sysvctl.Selector
}

var strategies = []strategy{
	{"one queue, oldest first", false, sysvctl.Any()},
	{"one queue, negative type", false, sysvctl.UpTo(readingType)},
	{"lanes: one queue a sender and urgency", true, sysvctl.Any()},
	{"the same through package lane", true, sysvctl.Any()},
}

// alerts: from before the call of the sender until the receiver has the alert.
func alerts(o options) error {
	const turns = 3
	fmt.Printf("Alerts, one every 5 ms, beside %d processes that send readings without a pause to a receiver that takes %v for each;\n"+
		"all of %d CPUs, %d turns of %d alerts\n", saturating, handling, len(cpus()), turns, o.alerts)
	p99s := make([][]float64, len(strategies))
	all := make([][]float64, len(strategies))
	for range turns {
		for i, s := range strategies {
			run := s.run
			if i == len(strategies)-1 {
				run = runLanes
			}
			took, err := run(o.alerts)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			slices.Sort(took)
			p99s[i], all[i] = append(p99s[i], at(took, 99)), append(all[i], took...)
		}
	}
	for i, s := range strategies {
		slices.Sort(all[i])
		fmt.Printf("  %-38s median %8.3f ms, p99 %8.3f ms, worst %8.3f ms\n", s.name, at(all[i], 50), at(all[i], 99), at(all[i], 100))
	}
	one := median(p99s[1])
	fmt.Printf("  p99 in each one's best turn, ms: ")
	for i := range strategies {
		fmt.Printf(" %.3f", slices.Min(p99s[i]))
	}
	fmt.Println()
	fmt.Printf("  p99 to that of one queue with a negative type, medians of the turns: lanes 1/%.0f, through package lane 1/%.0f (goal 1/20)\n",
		one/median(p99s[2]), one/median(p99s[3]))
	return nil
}

// run measures in ms.
func (s strategy) run(count int) (took []float64, err error) {
	var queues []*sysvctl.Queue
	defer func() {
		for _, q := range queues {
			err = errors.Join(err, q.Remove())
		}
	}()
	create := func() (*sysvctl.Queue, error) {
		q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
		if err == nil {
			queues = append(queues, q)
		}
		return q, err
	}
	urgent, err := create()
	if err != nil {
		return nil, err
	}
	routine := []*sysvctl.Queue{urgent}
	if s.lanes {
		routine = nil
		for range saturating {
			q, err := create()
			if err != nil {
				return nil, err
			}
			routine = append(routine, q)
		}
	}
	var children []*exec.Cmd
	defer func() { kill(children) }()
	for i := range saturating {
		c := child("", -1, "saturate", routine[i%len(routine)].ID(), readingType)
		if err := c.Start(); err != nil {
			return nil, err
		}
		children = append(children, c)
	}
	time.Sleep(100 * time.Millisecond) // until the queues are full
	c := child("", -1, "alert", urgent.ID(), count)
	if err := c.Start(); err != nil {
		return nil, err
	}
	children = append(children, c)
	return s.receive(urgent, routine, count)
}

// receive takes messages until all alerts are there: from the urgent lane first,
// then in turn from the others.
func (s strategy) receive(urgent *sysvctl.Queue, routine []*sysvctl.Queue, count int) (took []float64, err error) {
	buf, next := make([]byte, size), 0
	deadline := time.Now().Add(2 * time.Minute)
	for len(took) < count {
		m, err := urgent.TryReceive(s.sel, buf)
		for range routine {
			if !errors.Is(err, sysvctl.ErrNoMessage) {
				break
			}
			m, err = routine[next].TryReceive(s.sel, buf)
			next = (next + 1) % len(routine)
		}
		if errors.Is(err, sysvctl.ErrNoMessage) {
			continue // cannot last: the senders saturate
		}
		if err != nil {
			return nil, err
		}
		if m.Type == alertType {
			took = append(took, float64(monotonic()-int64(binary.NativeEndian.Uint64(m.Data)))/1e6)
		}
		for until := monotonic() + int64(handling); monotonic() < until; {
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d of %d alerts in 2 minutes", len(took), count)
		}
	}
	return took, nil
}

func cpus() (list []int) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	for i := range 1024 {
		if set.IsSet(i) {
			list = append(list, i)
		}
	}
	return list
}

// cancels: from the cancel to the return of a call that waits, at moments around
// the call, and how often a message was lost.
func cancels(o options) error {
	fmt.Printf("Cancelled calls of Receive, %d each, a pause of 0 to 200 us before the cancel\n", o.cancels)
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	if err != nil {
		return err
	}
	defer q.Remove()
	buf := make([]byte, size)
	for name, receive := range map[string]func(context.Context) error{
		"Queue.Receive": func(ctx context.Context) error {
			_, err := q.Receive(ctx, sysvctl.Any(), buf)
			return err
		},
		"Receiver": func(ctx context.Context) error {
			r, err := q.Receiver(ctx, sysvctl.Any(), size)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = r.Receive()
			return err
		},
	} {
		var took []float64
		for i := range o.cancels {
			ctx, cancel := context.WithCancel(context.Background())
			began := make(chan int64, 1)
			go func() {
				time.Sleep(time.Duration(i%5) * 50 * time.Microsecond)
				began <- monotonic()
				cancel()
			}()
			err := receive(ctx)
			end := monotonic()
			if !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", name, err)
			}
			took = append(took, float64(end-<-began)/1e3)
		}
		slices.Sort(took)
		fmt.Printf("  %-14s median %7.1f us, p99 %8.1f us, worst %8.1f us; none hung\n", name, at(took, 50), at(took, 99), at(took, 100))
	}
	return nil
}

const idleFor = 30 * time.Second // a runtime that comes to rest takes 1 ms

// idle: processor time of a process that waits for a message that does not come.
func idle(options) error {
	fmt.Printf("A receiver that nothing comes for, %v: processor time of its process\n", idleFor)
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	if err != nil {
		return err
	}
	defer q.Remove()
	hear, ring, err := sysvctl.NewDoorbell()
	if err != nil {
		return err
	}
	defer hear.Close()
	defer ring.Close()
	waits, listens := child("", -1, "wait", q.ID()), child("", -1, "listen", q.ID())
	for _, c := range []*exec.Cmd{waits, listens} {
		// As the supervisor starts its workers: without it the runtime reads the
		// limits of its cgroup every second.
		c.Env = append(c.Env, "GOMAXPROCS=2")
	}
	listens.ExtraFiles = []*os.File{hear}
	type output struct {
		name string
		text []byte
		err  error
	}
	done := make(chan output)
	for name, c := range map[string]*exec.Cmd{"blocked in a Receiver": waits, "at a Doorbell": listens} {
		go func() {
			text, err := c.Output()
			done <- output{name, text, err}
		}()
	}
	for range 2 {
		out := <-done
		if out.err != nil {
			return fmt.Errorf("%s: %w", out.name, out.err)
		}
		fmt.Fprintf(os.Stdout, "  %-22s %s ms a second (goal at most 0.1)\n", out.name, out.text)
	}
	return nil
}
