package sysvctl_test

import (
	"context"
	"errors"
	"fmt"

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
