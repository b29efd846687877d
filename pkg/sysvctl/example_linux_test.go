package sysvctl_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/pkg/sysvctl"
)

// Five readings are queued before one alert; the alert is taken first.
func Example() {
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer q.Remove()
	const alert, reading = 1, 9
	for i := range 5 {
		q.TrySend(reading, fmt.Appendf(nil, "reading %d", i))
	}
	q.TrySend(alert, []byte("alert"))
	buf := make([]byte, 64)
	for {
		m, err := q.TryReceive(sysvctl.UpTo(reading), buf)
		if errors.Is(err, sysvctl.ErrNoMessage) {
			return
		}
		fmt.Printf("%s\n", m.Data)
	}
	// Output:
	// alert
	// reading 0
	// reading 1
	// reading 2
	// reading 3
	// reading 4
}

// The owner of a queue decides who may use it, and when.
func ExampleQueue_Permit() {
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{QBytes: 4096})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer q.Remove()
	const sensors = 1234 // a group: may send and not receive; others the other way round
	fmt.Println(q.Permit(sensors, 0o624))
	before, _ := q.Pause()
	fmt.Println(errors.Is(q.TrySend(1, nil), sysvctl.ErrFull))
	fmt.Println(q.Resume(before), q.TrySend(1, nil))
	fmt.Println(q.Revoke(sysvctl.Senders))
	st, _ := q.Stat()
	fmt.Printf("%o %d\n", st.Mode, st.Messages)
	fmt.Println(q.Drain(context.Background(), func(sysvctl.Message) {}))
	// Output:
	// <nil>
	// true
	// <nil> <nil>
	// <nil>
	// 604 1
	// 1 <nil>
}

// Messages as they come, until the context ends.
func ExampleReceiver_All() {
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer q.Remove()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q.TrySend(1, []byte("one"))
	q.TrySend(1, []byte("two"))
	r, err := q.Receiver(ctx, sysvctl.Any(), 64)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	for m, err := range r.All() {
		if err != nil {
			fmt.Println(errors.Is(err, context.Canceled))
			return
		}
		fmt.Printf("%s\n", m.Data)
		if string(m.Data) == "two" {
			cancel()
		}
	}
	// Output:
	// one
	// two
	// true
}

// Both ends of the bell can go to other processes, with the id of the queue.
func ExampleDoorbell() {
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer q.Remove()
	hear, ring, err := sysvctl.NewDoorbell()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hear.Close()
	defer ring.Close()
	ringer, _ := sysvctl.OpenRinger(ring)
	go func() {
		q.TrySend(1, []byte("dinner"))
		ringer.Ring() // after the message
	}()
	bell, _ := sysvctl.OpenDoorbell(hear)
	m, err := bell.Receive(context.Background(), q, sysvctl.Any(), make([]byte, 64), time.Second)
	fmt.Printf("%s %v\n", m.Data, err)
	// Output: dinner <nil>
}

// Which of the files that programs meet by would lead them to one queue.
func ExampleCollisions() {
	clashes, err := sysvctl.Collisions('q', "/dev/null", "/dev/zero")
	fmt.Println(len(clashes), err)
	// Output: 0 <nil>
}
