// Command actor is the process that tests/kill kills: by its orders it is a
// parent that offers descriptors, or a worker that takes them. Built with the
// tag fault.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/tests/kill/wire"
)

// stuckAfter is the end of every wait: what has not happened by then is stuck.
const stuckAfter = 10 * time.Second

func main() {
	if err := warmUp(); err != nil {
		die(err)
	}
	a := actor{worker: take}
	var buf [128 << 10]byte
	for {
		n, _, err := unix.Recvfrom(wire.ControlFD, buf[:], 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			die(os.NewSyscallError("recvfrom", err))
		case n == 0:
			os.Exit(0) // the harness is gone
		}
		o := wire.Order{Limit: int(stuckAfter.Milliseconds())}
		if err := json.Unmarshal(buf[:n], &o); err != nil {
			die(err)
		}
		if err := fault.Plan(o.Plan); err != nil {
			die(err)
		}
		switch o.Do {
		case wire.DoTake:
			say(a.worker(o))
		case wire.DoOffer:
			say(a.parent.offer(o))
		case wire.DoRecall:
			say(a.parent.recall(o))
		case wire.DoPart:
			say(a.parent.part())
		case wire.DoEnd:
			say(a.parent.end())
		default:
			die(fmt.Errorf("no order %q", o.Do))
		}
	}
}

type actor struct {
	parent parent
	worker func(wire.Order) wire.Answer
}

// warmUp makes the runtime open what it opens once and keeps: the poller.
func warmUp() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	_ = r.SetDeadline(time.Now())
	_ = r.Close()
	return w.Close()
}

// waits is the context of all waits of an order.
func waits(o wire.Order) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(o.Limit)*time.Millisecond)
}

// fetch makes own descriptors of the harness's numbers.
func fetch(pid int, numbers ...int) ([]int, error) {
	harness, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(harness)
	got := make([]int, 0, len(numbers))
	for _, n := range numbers {
		own, err := unix.PidfdGetfd(harness, n, 0)
		if err != nil {
			return nil, os.NewSyscallError("pidfd_getfd", err)
		}
		got = append(got, own)
	}
	return got, nil
}

func say(a wire.Answer) {
	text, err := json.Marshal(a)
	if err == nil {
		err = unix.Send(wire.ControlFD, text, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		die(err)
	}
}

func die(err error) {
	fmt.Fprintln(os.Stderr, "actor:", err)
	os.Exit(3)
}
