package worker_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/worker"
)

// TestLines has a pipe stand for a line's events and a memfd for an output; a line
// of a chip is in tests/machine/pi.
func TestLines(t *testing.T) {
	warm(t)
	testenv.CheckFDs(t)
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	door, ring := os.NewFile(uintptr(p[0]), "door"), os.NewFile(uintptr(p[1]), "ring")
	defer door.Close()
	defer ring.Close()
	lamp := workertest.Memfd(t, "0")
	for _, e := range []struct{ id, seq uint32 }{{1, 1}, {2, 3}} {
		event := make([]byte, 48)
		binary.NativeEndian.PutUint64(event, uint64(time.Hour))
		binary.NativeEndian.PutUint32(event[8:], e.id)
		binary.NativeEndian.PutUint32(event[12:], 17)      // offset
		binary.NativeEndian.PutUint32(event[16:], e.seq+5) // seqno, of the request
		binary.NativeEndian.PutUint32(event[20:], e.seq)
		if _, err := ring.Write(event); err != nil {
			t.Fatal(err)
		}
	}
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		for _, on := range []bool{true, false, true} {
			if err := w.Switch("lamp", on); err != nil {
				return err
			}
		}
		if _, err := w.Level("lamp"); !errors.Is(err, unix.ENOTTY) {
			return fmt.Errorf("the level of a file: %w", err)
		}
		if err := w.Switch("none", true); !errors.Is(err, worker.ErrNotGranted) {
			return fmt.Errorf("none: %w", err)
		}
		var got []worker.Edge
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for e, err := range w.Edges(ctx, "door") {
			if err != nil {
				return err
			}
			if got = append(got, e); len(got) == 2 {
				cancel() // it waits for a third
			}
		}
		want := []worker.Edge{{Rising: true, Time: time.Hour, Seq: 1}, {Rising: false, Time: time.Hour, Seq: 3}}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%v, want %v", got, want)
		}
		for _, err := range w.Edges(context.Background(), "door") { // the end of the pipe
			if err != nil {
				return nil
			}
		}
		return errors.New("no error at the end of the events")
	})
	_, err := s.Conn.Offer(scmrights.Trusted("a test"), []scmrights.Item{
		{Name: "door", Kind: scmrights.KindGPIOLine, Access: scmrights.AccessRead, File: door},
		{Name: "lamp", Kind: scmrights.KindMemfd, Access: scmrights.AccessBoth, File: lamp},
	})
	if err != nil {
		t.Fatal(err)
	}
	ring.Close()
	s.Start(lane.Start{})
	if err := s.End(); err != nil {
		t.Error(err)
	}
	level := make([]byte, 1)
	if _, err := lamp.ReadAt(level, 0); err != nil || level[0] != '1' {
		t.Errorf("lamp %q, %v", level, err)
	}
}
