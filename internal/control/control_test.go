package control_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"sallyport/internal/control"
	"sallyport/internal/testenv"
)

func serve(t *testing.T, hub *control.Hub) (control.Client, *control.Server) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	verbs := map[string]control.Verb{
		"double": func(_ context.Context, _ control.Request, emit func(any) error) error {
			return errors.Join(emit(map[string]int{"n": 1}), emit(map[string]int{"n": 2}))
		},
		"fail": func(context.Context, control.Request, func(any) error) error {
			return &control.Fault{Code: "SP0001", What: "what", Where: "where", Why: "why", Fix: "fix"}
		},
	}
	server, err := control.Listen(path, verbs, hub, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Execute() }()
	t.Cleanup(func() {
		server.Interrupt(nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	})
	return control.Client{Path: path}, server
}

func TestAskGivesEveryItem(t *testing.T) {
	client, _ := serve(t, &control.Hub{})
	items, err := client.Ask(t.Context(), "double", nil)
	if err != nil || fmt.Sprintf("%s", items) != `[{"n":1} {"n":2}]` {
		t.Fatalf("items %s, error %v", items, err)
	}
}

func TestAskReturnsTheFault(t *testing.T) {
	client, _ := serve(t, &control.Hub{})
	_, err := client.Ask(t.Context(), "fail", nil)
	if err == nil || err.Error() != "SP0001: what; where; why; fix" {
		t.Fatalf("error %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	client, _ := serve(t, &control.Hub{})
	for name, c := range map[string]struct{ line, code string }{
		"rubbish":       {"\x00\xff\n", "SP0401"},
		"unknown key":   {`{"v":1,"verb":"double","now":true}` + "\n", "SP0401"},
		"two objects":   {`{"v":1,"verb":"double"}{}` + "\n", "SP0401"},
		"version":       {`{"v":2,"verb":"double"}` + "\n", "SP0402"},
		"unknown verb":  {`{"v":1,"verb":"dance"}` + "\n", "SP0405"},
		"too long":      {strings.Repeat("x", 5000), "SP0401"},
		"deep nesting":  {strings.Repeat("[", 4000) + "\n", "SP0401"},
		"line unending": {strings.Repeat(" ", 4096), "SP0401"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", client.Path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(4 * time.Second))
			conn.Write([]byte(c.line))
			line, _ := bufio.NewReader(conn).ReadBytes('\n')
			var f control.Fault
			if err := json.Unmarshal(line, &f); err != nil || f.Code != c.code || f.What == "" {
				t.Fatalf("answer %q, want code %s", line, c.code)
			}
		})
	}
}

func TestEventsInOrderAndTheLastToo(t *testing.T) {
	hub := &control.Hub{}
	client, server := serve(t, hub)
	next := make(chan string)
	go func() {
		defer close(next)
		for line, err := range client.Events(t.Context()) {
			if err != nil {
				return
			}
			_, e, err := control.Decode(line)
			next <- fmt.Sprintf("%T %v", e, err)
		}
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		hub.Publish(control.Reading{Sensor: "load", Value: 1})
		select {
		case got := <-next:
			if got != "control.Reading <nil>" {
				t.Fatal(got)
			}
		case <-time.After(10 * time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatal("no event came")
			}
			continue
		}
		break
	}
	hub.Publish(control.Summary{})
	server.Interrupt(nil)
	last := ""
	for e := range next {
		last = e
	}
	if last != "control.Summary <nil>" {
		t.Fatalf("last event %q", last)
	}
}

// TestSlowFollowerLosesOnlyItsOwn: publishing never waits for a subscriber,
// and what one lost is told to it.
func TestSlowFollowerLosesOnlyItsOwn(t *testing.T) {
	hub := &control.Hub{}
	slow := hub.Subscribe()
	for range 3000 {
		hub.Publish(control.Reading{})
	}
	for range 500 {
		<-slow.Lines()
	}
	hub.Publish(control.Reading{})
	hub.Close()
	var missed uint64
	read := 500
	for line := range slow.Lines() {
		_, e, err := control.Decode(line)
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := e.(control.Missed); ok {
			missed += m.Events
			continue
		}
		read++
	}
	if missed == 0 || uint64(read)+missed != 3001 {
		t.Fatalf("read %d, missed %d of 3001", read, missed)
	}
}

// TestNewFollowerLearnsOfTheStarts: what happened just before it came, without
// the readings.
func TestNewFollowerLearnsOfTheStarts(t *testing.T) {
	hub := &control.Hub{}
	for range 100 {
		hub.Publish(control.Exited{})
	}
	hub.Publish(control.Ready{Worker: "a"})
	hub.Publish(control.Reading{})
	sub := hub.Subscribe()
	hub.Close()
	var got []string
	for line := range sub.Lines() {
		got = append(got, string(line))
	}
	if len(got) != 32 || !strings.Contains(got[31], `"event":"ready","worker":"a"`) {
		t.Errorf("%d events, the last %q", len(got), got[len(got)-1])
	}
}

func TestStaleSocketIsReplacedAndALiveOneIsNot(t *testing.T) {
	client, _ := serve(t, &control.Hub{})
	if _, err := control.Listen(client.Path, nil, &control.Hub{}, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), "another supervisor") {
		t.Fatalf("second server: %v", err)
	}
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	server, err := control.Listen(path, nil, &control.Hub{}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	server.Interrupt(nil)
}

// TestForeignUserIsRefused connects as another user for whom the socket's mode
// was opened: the credentials alone must keep it out.
func TestForeignUserIsRefused(t *testing.T) {
	testenv.NeedRoot(t)
	if !testenv.InSubprocess(t, nil) {
		return
	}
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	server, err := control.Listen(path, nil, &control.Hub{}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	go server.Execute()
	defer server.Interrupt(nil)
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	// The server's own user is read at the connection: change the client's
	// thread alone.
	answer := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its altered user
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), 12345, ^uintptr(0)); errno != 0 {
			answer <- errno
			return
		}
		_, err := control.Client{Path: path}.Ask(context.Background(), "double", nil)
		answer <- err
	}()
	var f *control.Fault
	if err := <-answer; !errors.As(err, &f) || f.Code != "SP0403" {
		t.Fatalf("answer to user 12345: %v", err)
	}
}
