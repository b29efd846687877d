package fd_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
	"sallyport/internal/testenv"
)

func null(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestDupIsOwned(t *testing.T) {
	testenv.CheckFDs(t)
	f := null(t)
	d, err := fd.Dup(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := d.Borrow(func(n int) error {
		flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
		if n < 3 || flags != unix.FD_CLOEXEC {
			t.Errorf("number %d, flags %d", n, flags)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := d.Borrow(func(int) error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed one was lent: %v", err)
	}
	if d.File("gone") != nil {
		t.Error("a closed one became a file")
	}
	if _, err := fd.Dup(f); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the duplicate of a closed file: %v", err)
	}
}

func TestReleaseGivesAway(t *testing.T) {
	testenv.CheckFDs(t)
	d, err := fd.Dup(null(t))
	if err != nil {
		t.Fatal(err)
	}
	n, owned := d.Release()
	if !owned {
		t.Fatal("not owned")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := unix.Close(n); err != nil {
		t.Errorf("Close after Release closed number %d: %v", n, err)
	}
}

// TestCloseWaitsForBorrowers: a number that is lent stays what it is.
func TestCloseWaitsForBorrowers(t *testing.T) {
	d, err := fd.Dup(null(t))
	if err != nil {
		t.Fatal(err)
	}
	var closing sync.WaitGroup
	_ = fd.BorrowAll([]*fd.FD{d}, nil, func(numbers []int) error {
		closing.Go(func() { _ = d.Close() })
		for range 1000 {
			if _, err := unix.FcntlInt(uintptr(numbers[0]), unix.F_GETFD, 0); err != nil {
				t.Fatalf("closed while it was lent: %v", err)
			}
		}
		return nil
	})
	closing.Wait()
	if err := fd.BorrowAll([]*fd.FD{d}, nil, func([]int) error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("lent after Close: %v", err)
	}
}

func TestTraceNamesTheMaker(t *testing.T) {
	trace := fd.StartTrace()
	kept, err := fd.Dup(null(t))
	if err != nil {
		t.Fatal(err)
	}
	closed, err := fd.Dup(null(t))
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	stacks := trace.Stop()
	if len(stacks) != 1 || !strings.Contains(stacks[0], "TestTraceNamesTheMaker") {
		t.Errorf("%d stacks: %v", len(stacks), stacks)
	}
	kept.Close()
}
