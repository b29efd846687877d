package conformance_test

import (
	"context"
	"errors"
	"os"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

func TestMain(m *testing.M) {
	ipcactor.Main()
	os.Exit(m.Run())
}

const (
	nobody = 65534 // uid and gid of somebody without rights
	nowait = sys.MsgNoWait
	create = 0o1000 // IPC_CREAT
	excl   = 0o2000 // IPC_EXCL
)

// entry is one case of a list: its name there, and ours in code. A case that
// has none does not apply, for the reason why.
type entry struct {
	name string
	run  func(t *testing.T)
	why  string
}

// runList runs each case in a process and an IPC namespace of its own.
func runList(t *testing.T, list []entry) {
	for _, e := range list {
		if e.run == nil {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			if testenv.PrivateIPC(t) {
				e.run(t)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, err error, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%v, want %v", err, target)
	}
}

func equal[T comparable](t testing.TB, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s is %v, want %v", what, got, wanted)
	}
}

// queue makes a private queue that goes with the namespace of the test.
func queue(t testing.TB, o sysvctl.Options) *sysvctl.Queue {
	t.Helper()
	q, err := sysvctl.Create(sysvctl.Private, o)
	must(t, err)
	return q
}

func id(q *sysvctl.Queue) int32 { return int32(q.ID()) }

// take receives at once and returns type and text.
func take(t testing.TB, q *sysvctl.Queue, sel sysvctl.Selector) (sysvctl.Type, string) {
	t.Helper()
	m, err := q.TryReceive(sel, make([]byte, 8192))
	must(t, err)
	return m.Type, string(m.Data)
}

func takes(t testing.TB, q *sysvctl.Queue, sel sysvctl.Selector, mtype sysvctl.Type, text string) {
	t.Helper()
	if gotType, got := take(t, q, sel); gotType != mtype || got != text {
		t.Errorf("took type %d %q, want %d %q", gotType, got, mtype, text)
	}
}

func send(t testing.TB, q *sysvctl.Queue, mtype sysvctl.Type, text string) {
	t.Helper()
	must(t, q.TrySend(mtype, []byte(text)))
}

func stat(t testing.TB, q *sysvctl.Queue) sysvctl.Stat {
	t.Helper()
	st, err := q.Stat()
	must(t, err)
	return st
}

// now says that a time of one second's resolution lies between began and here.
// The kernel takes it from a clock that lags by up to a tick.
func now(t testing.TB, what string, at, began time.Time) {
	t.Helper()
	if at.Before(began.Add(-20*time.Millisecond).Truncate(time.Second)) || at.After(time.Now()) {
		t.Errorf("%s is %v, want between %v and now", what, at, began)
	}
}

// raw is a queue call with arguments that no Go type can hold.
func raw(nr, a, b, c, d, e uintptr) error {
	if _, _, errno := unix.RawSyscall6(nr, a, b, c, d, e, 0); errno != 0 {
		return errno
	}
	return nil
}

const minusOne = ^uintptr(0)

// sendSize is msgsnd of a good message type with a size of any value.
func sendSize(q *sysvctl.Queue, size uintptr) error {
	message := []int{1, 0}
	err := raw(unix.SYS_MSGSND, uintptr(q.ID()), reflect.ValueOf(message).Pointer(), size, nowait, 0)
	runtime.KeepAlive(message)
	return err
}

// receive is one call of msgrcv that may wait, in a goroutine.
func receive(q *sysvctl.Queue, sel sysvctl.Selector) <-chan result {
	done := make(chan result, 1)
	go func() {
		m, err := q.Receive(context.Background(), sel, make([]byte, 8192))
		done <- result{m.Type, string(m.Data), err}
	}()
	return done
}

type result struct {
	mtype sysvctl.Type
	text  string
	err   error
}

// sender is one call of msgsnd that may wait, in a goroutine.
func sender(q *sysvctl.Queue, mtype sysvctl.Type, text string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- q.Send(context.Background(), mtype, []byte(text)) }()
	return done
}

// needCopy skips on a kernel without MSG_COPY.
func needCopy(t testing.TB) {
	t.Helper()
	q := queue(t, sysvctl.Options{})
	send(t, q, 1, "x")
	_, _, err := sys.MsgReceive(id(q), make([]byte, 8), 0, sys.MsgCopy|nowait)
	if err == syscall.ENOSYS {
		t.Skip("needs a kernel with CONFIG_CHECKPOINT_RESTORE")
	}
	must(t, err)
	must(t, q.Remove())
}

// copyOf is MSG_COPY of the message at index.
func copyOf(q *sysvctl.Queue, index int64, size, flags int) (string, int64, error) {
	buf := make([]byte, size)
	n, mtype, err := sys.MsgReceive(id(q), buf, index, sys.MsgCopy|flags)
	return string(buf[:n]), mtype, err
}

// writeSysctl writes a setting of the IPC namespace.
func writeSysctl(t testing.TB, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/kernel/"+name, []byte(value), 0o644); err != nil {
		t.Skipf("needs a writable kernel.%s: %v", name, err)
	}
}

func readSysctl(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/" + name)
	if err != nil {
		t.Skipf("needs kernel.%s: %v", name, err)
	}
	return strings.TrimSpace(string(text))
}
