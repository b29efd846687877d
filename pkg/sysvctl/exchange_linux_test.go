package sysvctl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

func TestCallsGetTheirOwnReply(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	served := make(chan error, 1)
	plain := make(chan string, 1)
	serving, stop := context.WithCancel(ctx)
	go func() {
		served <- q.Serve(serving, sysvctl.Service{Size: 256, Callers: 3,
			Answer: func(request []byte) []byte { return bytes.ToUpper(request) },
			Plain:  func(text []byte) { plain <- string(text) }})
	}()
	must(t, q.Send(ctx, sysvctl.TypePlain, []byte("no reply wanted")))
	if got := <-plain; got != "no reply wanted" {
		t.Error(got)
	}
	numbers := map[string]bool{}
	for range 3 { // no number lies there twice, and none that was used comes again
		if _, err := q.Call(ctx, nil, nil); err != nil {
			t.Fatal(err)
		}
		for ctx.Err() == nil { // the next ticket comes after the reply
			if st, err := q.Stat(); err != nil || st.Messages == 3 {
				break
			}
			runtime.Gosched()
		}
		s, err := q.Snapshot()
		if errors.Is(err, errors.ErrUnsupported) {
			break
		}
		must(t, err)
		here := map[string]bool{}
		for _, m := range s.Messages {
			here[string(m.Data)] = true
			numbers[string(m.Data)] = true
		}
		if len(here) != 3 {
			t.Errorf("%d different tickets among %d", len(here), len(s.Messages))
		}
	}
	if len(numbers) != 0 && len(numbers) != 5 {
		t.Errorf("%d numbers in three calls of three tickets", len(numbers))
	}
	var callers sync.WaitGroup
	for c := range 8 {
		callers.Go(func() {
			for i := range 50 {
				text := fmt.Sprintf("caller %d call %d", c, i)
				got, err := q.Call(ctx, []byte(text), make([]byte, 256))
				if err != nil || string(got) != string(bytes.ToUpper([]byte(text))) {
					t.Errorf("%s: %q, %v", text, got, err)
					return
				}
			}
		})
	}
	callers.Wait()
	// Nonsense is thrown away, and nothing stops for it.
	must(t, q.Send(ctx, sysvctl.TypeRequest, []byte("short")))
	must(t, q.Send(ctx, sysvctl.TypeRequest, make([]byte, 64)))
	must(t, q.Send(ctx, sysvctl.TypeRequest, make([]byte, 4000)))
	if got, err := q.Call(ctx, nil, nil); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	stop()
	must(t, <-served)
	if st, err := q.Stat(); err != nil || st.Messages != 0 {
		t.Errorf("%+v, %v", st, err)
	}
	// Nobody serves: the caller waits as long as it wants to.
	short, end := context.WithTimeout(ctx, 10*time.Millisecond)
	defer end()
	_, err := q.Call(short, nil, nil)
	want(t, err, context.DeadlineExceeded)
}

func TestServeNeedsRoomForItsCallers(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{QBytes: 1000})
	err := q.Serve(context.Background(), sysvctl.Service{Size: 256, Callers: 4, Answer: func([]byte) []byte { return nil }})
	want(t, err, sysvctl.ErrLimit)
	must(t, q.Remove())
	err = q.Serve(context.Background(), sysvctl.Service{Size: 256, Callers: 4})
	if !errors.Is(err, sysvctl.ErrRemoved) {
		t.Error(err)
	}
}

// A queue that is full of plain messages delays replies and loses none.
func TestReplyWaitsForRoom(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{QBytes: 600})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- q.Serve(serving, sysvctl.Service{Size: 100, Callers: 2, Plain: func([]byte) {},
			Answer: func(r []byte) []byte {
				for _, size := range []int{50, 1} { // to the last byte
					for q.TrySend(sysvctl.TypePlain, make([]byte, size)) == nil {
					}
				}
				return r
			}})
	}()
	for i := range 20 {
		got, err := q.Call(ctx, fmt.Append(nil, i), make([]byte, 100))
		if err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("%d: %q, %v", i, got, err)
		}
	}
	stop()
	must(t, <-served)
}
