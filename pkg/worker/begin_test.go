package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/workertest"
	"sallyport/pkg/worker"
)

type plugin = func(context.Context, *worker.Worker) error

// subject is a worker in this process and its parent.
type subject struct {
	*workertest.Parent
	mu     sync.Mutex
	logged []string
}

// begin starts a worker up to WELCOME in epoch 1.
func begin(t *testing.T, p plugin) *subject {
	t.Helper()
	return beginIn(context.Background(), t, 1, p)
}

func beginIn(ctx context.Context, t *testing.T, epoch uint32, p plugin) *subject {
	t.Helper()
	s := &subject{}
	s.Parent = workertest.In(t, epoch, func(channel *os.File) error { return worker.RunOn(ctx, channel, p, s.log) })
	return s
}

func (s *subject) log(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logged = append(s.logged, fmt.Sprintf(format, a...))
}

func (s *subject) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.logged...)
}

// broken is a regular file whose pread at 0 gives EIO, as an attribute whose
// device was pulled out does: nothing is mapped at address 0.
func broken(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, unix.EIO) {
		t.Skipf("needs a /proc/self/mem that gives EIO at 0, got %v", err)
	}
	return f
}
