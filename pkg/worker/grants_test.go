package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/worker"
)

func TestAttrLostAndGrantedAgain(t *testing.T) {
	warm(t)
	testenv.CheckFDs(t)
	bad, good := broken(t), workertest.Memfd(t, "4.5\n")
	reads := make(chan error)
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		a, err := w.Attr("fridge")
		if err != nil {
			return err
		}
		for ctx.Err() == nil {
			v, err := a.Read()
			if err == nil && v != 4.5 {
				err = fmt.Errorf("read %v", v)
			}
			select {
			case reads <- err:
			case <-ctx.Done():
			}
		}
		return nil
	})
	read := func() error { t.Helper(); return <-reads }
	s.Start(lane.Start{Sensors: []lane.Sensor{workertest.Sensor(1, "fridge", "w1", "raw")}})
	if err := read(); !errors.Is(err, worker.ErrNotGranted) {
		t.Errorf("before the grant: %v", err)
	}
	s.Grant("w1", scmrights.KindAttribute, bad)
	until(t, func() bool { return errors.Is(read(), worker.ErrLost) })
	if m := s.Expect(lane.MsgLost); string(m.Body) != "w1" {
		t.Errorf("LOST of %q", m.Body)
	}
	for range 3 {
		if err := read(); !errors.Is(err, worker.ErrLost) {
			t.Errorf("while lost: %v", err)
		}
	}
	s.Grant("w1", scmrights.KindMemfd, good)
	until(t, func() bool { return read() == nil })
	s.Stop()
	go func() {
		for range reads {
		}
	}()
	if err := s.End(); err != nil {
		t.Error(err)
	}
	close(reads)
	for m := range s.Heard {
		if m.Kind == lane.MsgLost {
			t.Error("LOST was said twice")
		}
	}
	s.Conn.Close()
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(workertest.Patience); !ok(); {
		if time.Now().After(late) {
			t.Fatal("it did not come to that")
		}
	}
}

// Values skips what cannot be read, tells it once, and goes on when it can.
func TestValuesSkips(t *testing.T) {
	file := workertest.Memfd(t, "warm\n")
	rounds := make(chan string)
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		for range 4 {
			var names []string
			for name, v := range w.Values() {
				names = append(names, fmt.Sprintf("%s=%v", name, v))
			}
			rounds <- strings.Join(names, " ")
			<-rounds
		}
		return nil
	})
	s.Grant("ok", scmrights.KindMemfd, workertest.Memfd(t, "1"))
	s.Grant("text", scmrights.KindMemfd, file)
	s.Start(lane.Start{Sensors: []lane.Sensor{workertest.Sensor(1, "b", "ok", "raw"), workertest.Sensor(2, "a", "text", "raw"), workertest.Sensor(3, "c", "never", "raw")}})
	for i, want := range []string{"b=1", "b=1", "a=7 b=1", "b=1"} {
		if got := <-rounds; got != want {
			t.Errorf("round %d: %q, want %q", i, got, want)
		}
		text := "warm\n"
		if i == 1 {
			text = "7   \n"
		}
		if _, err := file.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		rounds <- ""
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	if log := s.lines(); len(log) != 2 || !strings.Contains(log[0], `read "a"`) {
		t.Errorf("logged %q, want two lines about a", log)
	}
}

func TestAttrReadAllocatesNothing(t *testing.T) {
	var allocs float64
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		a, err := w.Attr("t")
		if err != nil {
			return err
		}
		allocs = testing.AllocsPerRun(100, func() {
			if _, e := a.Read(); e != nil {
				err = e
			}
		})
		return err
	})
	s.Grant("t", scmrights.KindMemfd, workertest.Memfd(t, "21.375         \n"))
	s.Start(lane.Start{Sensors: []lane.Sensor{workertest.Sensor(1, "t", "t", "raw")}})
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	if allocs != 0 {
		t.Errorf("%v allocations a read", allocs)
	}
}

func TestAppendAndNext(t *testing.T) {
	dir := t.TempDir()
	segment := func(name string) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second := segment("1.csv"), segment("2.csv")
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		if n, err := w.Append("data", []byte("one\n")); n != 4 || err != nil {
			return fmt.Errorf("%d, %w", n, err)
		}
		old, err := w.File("data")
		if err != nil {
			return err
		}
		if err := w.Next("data"); err != nil {
			return err
		}
		if _, err := old.WriteString("late\n"); !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("the segment before is still open: %w", err)
		}
		if _, err := w.Append("data", []byte("two\n")); err != nil {
			return err
		}
		if _, err := w.Append("none", nil); !errors.Is(err, worker.ErrNotGranted) {
			return fmt.Errorf("append to what was never granted: %w", err)
		}
		return nil
	})
	s.Grant("data", scmrights.KindFile, first)
	s.Start(lane.Start{})
	if m := s.Expect(lane.MsgNext); string(m.Body) != "data" {
		t.Errorf("NEXT of %q", m.Body)
	}
	s.Grant("data", scmrights.KindFile, second)
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"1.csv": "one\n", "2.csv": "two\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// What a full disk leaves is known to the byte.
func TestAppendTellsHowMuch(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("needs /dev/full: %v", err)
	}
	defer full.Close()
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		n, err := w.Append("data", []byte("line\n"))
		if n != 0 {
			t.Errorf("%d bytes written", n)
		}
		return err
	})
	s.Grant("data", scmrights.KindOther, full)
	s.Start(lane.Start{})
	if err := s.End(); err == nil || !strings.Contains(err.Error(), `append "data"`) || !strings.Contains(err.Error(), "no space") {
		t.Errorf("ended with %v", err)
	}
}
