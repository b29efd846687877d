// Command priority queues five routine messages and then an urgent one, and
// takes all of them: the urgent one is first. `priority low`, `priority high`
// and `priority serve` do the three parts in processes of their own.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"sallyport/examples/sysv"
	"sallyport/pkg/sysvctl"
)

// The lower the type, the more urgent.
const (
	high sysvctl.Type = 1
	low  sysvctl.Type = 10
)

func main() {
	log.SetFlags(0)
	part := ""
	if len(os.Args) > 1 {
		part = os.Args[1]
	}
	if err := run(part); err != nil {
		log.Fatalf("priority: %v", err)
	}
}

func run(part string) error {
	q, err := sysvctl.Create(sysv.Key, sysvctl.Options{Adopt: true})
	if err != nil {
		return err
	}
	switch part {
	case "low":
		return sendLow(q)
	case "high":
		return q.TrySend(high, []byte("urgent"))
	case "serve":
	case "":
		if err := errors.Join(sendLow(q), q.TrySend(high, []byte("urgent"))); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%q: want low, high, serve, or nothing for all three", part)
	}
	return errors.Join(serve(q), q.Remove())
}

func sendLow(q *sysvctl.Queue) error {
	for i := range 5 {
		if err := q.TrySend(low, fmt.Appendf(nil, "routine %d", i+1)); err != nil {
			return err
		}
	}
	return nil
}

// serve takes six messages. One call does it: UpTo takes the lowest type first.
// The way to look for type 1 without waiting, and then to wait for any, is two
// calls, and an urgent message that comes between them is passed over.
//
// The order holds for what got into the queue. One that is full refuses the
// urgent as well, so what must always get through has a queue of its own.
func serve(q *sysvctl.Queue) error {
	r, err := q.Receiver(context.Background(), sysvctl.UpTo(low), sysv.TextSize)
	if err != nil {
		return err
	}
	defer r.Close()
	for range 6 {
		m, err := r.Receive()
		if err != nil {
			return err
		}
		fmt.Printf("type %d: %s\n", m.Type, m.Data)
	}
	return nil
}
