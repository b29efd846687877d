package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/sysvctl"
)

const size = 64 // bytes of every message

// play is what a child does. The roles of the C program have its names.
func play(role string, args []string) error {
	var n [8]int
	for i, a := range args {
		v, err := strconv.Atoi(a)
		if err != nil {
			return err
		}
		n[i] = v
	}
	queue := func(i int) *sysvctl.Queue { return sysvctl.Attach(sysvctl.ID(n[i])) }
	switch role {
	case "pong":
		return pingPong(queue(0), queue(1), n[2], false)
	case "ping":
		return pingPong(queue(0), queue(1), n[2], true)
	case "pour":
		return pour(queue(0), 1, n[1])
	case "sink":
		return sink(queue(0), n[1])
	case "saturate":
		return pour(queue(0), sysvctl.Type(n[1]), -1)
	case "alert":
		return sendAlerts(queue(0), n[1])
	case "saturate-lane":
		return saturateLane(n[0], n[1])
	case "alert-lane":
		return alertLane(n[0], n[1], n[2], n[3])
	case "wait":
		return wait(queue(0))
	case "listen":
		return listen(queue(0))
	}
	return fmt.Errorf("unknown role %q", role)
}

// pingPong is one side of round trips, with a Receiver: its thread is its own and
// its way out of the call is set up once.
func pingPong(in, out *sysvctl.Queue, rounds int, first bool) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := in.Receiver(ctx, sysvctl.Any(), size)
	if err != nil {
		return err
	}
	defer r.Close()
	text, took := make([]byte, size), make([]uint32, rounds)
	if !first {
		for range rounds {
			if _, err := r.Receive(); err != nil {
				return err
			}
			if err := out.Send(ctx, 1, text); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range rounds {
		began := time.Now()
		if err := out.Send(ctx, 1, text); err != nil {
			return err
		}
		if _, err := r.Receive(); err != nil {
			return err
		}
		took[i] = uint32(time.Since(began))
	}
	return binary.Write(os.Stdout, binary.NativeEndian, took)
}

// pour sends count messages, or for ever, and waits for room.
func pour(q *sysvctl.Queue, t sysvctl.Type, count int) error {
	text := make([]byte, size)
	for i := 0; i != count; i++ {
		if err := q.Send(context.Background(), t, text); err != nil {
			if errors.Is(err, sysvctl.ErrRemoved) {
				return nil
			}
			return err
		}
	}
	return nil
}

func sink(q *sysvctl.Queue, count int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := q.Receiver(ctx, sysvctl.Any(), size)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.Receive(); err != nil {
		return err
	}
	began := time.Now()
	for range count - 1 {
		if _, err := r.Receive(); err != nil {
			return err
		}
	}
	return binary.Write(os.Stdout, binary.NativeEndian, uint32(time.Since(began)>>4))
}

// sendAlerts sends one every 5 ms, with the moment before the call in it.
func sendAlerts(q *sysvctl.Queue, count int) error {
	text := make([]byte, size)
	for range count {
		time.Sleep(5 * time.Millisecond)
		binary.NativeEndian.PutUint64(text, uint64(monotonic()))
		if err := q.Send(context.Background(), alertType, text); err != nil {
			return err
		}
	}
	return nil
}

// wait is a receiver that nothing comes for; listen is one with a bell, which is
// its descriptor 3.
func wait(q *sysvctl.Queue) error {
	ctx, cancel := context.WithTimeout(context.Background(), idleFor)
	defer cancel()
	r, err := q.Receiver(ctx, sysvctl.Any(), size)
	if err != nil {
		return err
	}
	defer r.Close()
	return idled(func() error { _, err := r.Receive(); return err })
}

func listen(q *sysvctl.Queue) error {
	if err := unix.SetNonblock(3, true); err != nil { // os/exec may take that away
		return err
	}
	bell, err := sysvctl.OpenDoorbell(os.NewFile(3, "bell"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), idleFor)
	defer cancel()
	return idled(func() error {
		_, err := bell.Receive(ctx, q, sysvctl.Any(), make([]byte, size), time.Second)
		return err
	})
}

func idled(receive func() error) error {
	before := cpuTime(0)
	if err := receive(); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a receiver that nothing comes for: %w", err)
	}
	fmt.Printf("%.4f", (cpuTime(0)-before)/idleFor.Seconds())
	return nil
}
