package control_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"sallyport/internal/control"
	"sallyport/internal/testenv"
)

// TestPauseKeepsThemWaiting: followers and verbs end, who comes in the pause is
// answered after it.
func TestPauseKeepsThemWaiting(t *testing.T) {
	testenv.CheckFDs(t)
	hub := &control.Hub{}
	client, server := serve(t, hub)
	ended := make(chan error, 1)
	followed := make(chan string, 16)
	go func() {
		for line, err := range client.Events(context.Background()) {
			if err != nil {
				ended <- err
				return
			}
			followed <- string(line)
		}
		ended <- nil
	}()
	for seq := uint64(0); len(followed) == 0; seq++ { // until it has subscribed
		hub.Publish(control.Output{Device: "lamp", Value: 1})
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Pause(ctx, control.Request{}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the follower ended with %v", err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := client.Ask(ctx, "double", nil)
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("answered in the pause: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	server.Resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestPauseEndsVerbs: a verb gets the end of its context, unless it is the one
// that asked for the pause.
func TestPauseEndsVerbs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	began := make(chan control.Request, 2)
	go_ := make(chan struct{})
	verbs := map[string]control.Verb{
		"wait": func(ctx context.Context, r control.Request, _ func(any) error) error {
			began <- r
			<-ctx.Done()
			return ctx.Err()
		},
		"keep": func(_ context.Context, r control.Request, emit func(any) error) error {
			began <- r
			<-go_
			return emit("kept")
		},
	}
	server, err := control.Listen(path, verbs, &control.Hub{}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Execute() }()
	client := control.Client{Path: path}
	ask := func(verb string) chan error {
		result := make(chan error, 1)
		go func() {
			_, err := client.Ask(context.Background(), verb, nil)
			result <- err
		}()
		return result
	}
	kept := ask("keep")
	keeper := <-began
	waits := ask("wait")
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Pause(ctx, keeper); err != nil {
		t.Fatal(err)
	}
	var fault *control.Fault
	if err := <-waits; !errors.As(err, &fault) || !strings.Contains(fault.Why, "canceled") {
		t.Errorf("the verb ended with %v", err)
	}
	server.Resume()
	close(go_)
	if err := <-kept; err != nil {
		t.Errorf("who asked: %v", err)
	}
	server.Interrupt(nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAdoptedListener: a client that connected to the server before is answered
// by the one that has its listener now; one that asked before gets its answer.
func TestAdoptedListener(t *testing.T) {
	testenv.CheckFDs(t)
	path := filepath.Join(t.TempDir(), "s")
	first, err := control.Listen(path, nil, &control.Hub{}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	n, err := first.Descriptor()
	if err == nil {
		n, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	early, err := net.Dial("unix", path) // waits in the queue
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if _, err := control.Adopt(path+"x", n, nil, &control.Hub{}, hclog.NewNullLogger()); err == nil {
		t.Error("a listener of another path was adopted")
	}
	hub := &control.Hub{}
	hub.Publish(control.Output{Device: "second", Value: 2})
	hub.Remember([]string{`{"event":"output","device":"first"}`}, nil)
	verbs := map[string]control.Verb{"one": func(_ context.Context, _ control.Request, emit func(any) error) error { return emit(1) }}
	second, err := control.Adopt(path, n, verbs, hub, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- second.Execute() }()
	if _, err := early.Write([]byte(`{"v":1,"verb":"one"}` + "\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 256)
	_ = early.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := early.Read(buf); !strings.HasPrefix(string(buf[:n]), `{"v":1,"ok":true,"item":1}`) {
		t.Errorf("answer %q, %v", buf[:n], err)
	}
	events, _ := hub.Recent()
	if lines := fmt.Sprint(events); !strings.Contains(lines, "first") || strings.Index(lines, "first") > strings.Index(lines, "second") {
		t.Errorf("remembered %s", lines)
	}

	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	if err := control.Reply(pair[0], "done", nil); err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"ok":true,"item":"done"}` + "\n" + `{"v":1,"end":true}` + "\n"
	if n, err := unix.Read(pair[1], buf); string(buf[:n]) != want {
		t.Errorf("replied %q, %v", buf[:n], err)
	}
	second.Interrupt(nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if raw, err := net.Dial("unix", path); err == nil {
		raw.Close()
		t.Error("the path is still there")
	}
	// The first one's listener, without Execute.
	first.Interrupt(nil)
}

// TestEventsGoOnAfterUpgrading: a follower that is cut behind `upgrading` follows
// again, and is given nothing twice.
func TestEventsGoOnAfterUpgrading(t *testing.T) {
	hub := &control.Hub{}
	client, server := serve(t, hub)
	hub.Publish(control.Output{Device: "first"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	for line, err := range client.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		_, e, err := control.Decode(line)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%T", e))
		switch e := e.(type) {
		case control.Output:
			if e.Device == "first" {
				hub.Publish(control.Upgrading{})
			}
		case control.Upgrading:
			if err := server.Pause(ctx, control.Request{}); err != nil {
				t.Fatal(err)
			}
			server.Resume()
			hub.Publish(control.Upgraded{})
		case control.Upgraded:
			cancel()
		}
		if ctx.Err() != nil {
			break
		}
	}
	if want := "[control.Output control.Upgrading control.Upgraded]"; fmt.Sprint(got) != want {
		t.Errorf("followed %v, want %s", got, want)
	}
}
