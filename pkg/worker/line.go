package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// Switch sets the output granted under name to 1 or 0: a line of a GPIO chip, or a
// simulated output. ErrLost means that the chip went away, as for Attr.Read.
func (w *Worker) Switch(name string, on bool) error {
	f, raw, err := w.grants.cell(name).now()
	if err != nil {
		return fail("switch", name, err)
	}
	level := 0
	if on {
		level = 1
	}
	if e := raw.Control(func(fd uintptr) { err = sys.GPIOSetValue(int(fd), level) }); e != nil {
		err = e
	}
	if errors.Is(err, unix.ENOTTY) { // no line: one byte at the beginning
		_, err = f.WriteAt([]byte{'0' + byte(level)}, 0)
	}
	return fail("switch", name, w.orLost(name, err))
}

// Level asks whether the GPIO line granted under name, an input or an output, is 1.
func (w *Worker) Level(name string) (bool, error) {
	_, raw, err := w.grants.cell(name).now()
	if err != nil {
		return false, fail("level", name, err)
	}
	level := 0
	if e := raw.Control(func(fd uintptr) { level, err = sys.GPIOValue(int(fd)) }); e != nil {
		err = e
	}
	return level == 1, fail("level", name, w.orLost(name, err))
}

// Edge is a change of a GPIO input.
type Edge struct {
	Rising bool
	Time   time.Duration // on CLOCK_MONOTONIC
	Seq    uint32        // counts the line's edges from 1: a gap shows how many were missed
}

// edgeSize is the size of struct gpio_v2_line_event of linux/gpio.h.
const edgeSize = 48

// Edges gives the edges of the GPIO input granted under name as they come, until
// ctx ends (then nothing more), or with an error, which is the last. The line is
// configured with edges = "rising", "falling" or "both". The kernel keeps 16 of them
// for a worker that is busy, and drops the oldest.
func (w *Worker) Edges(ctx context.Context, name string) iter.Seq2[Edge, error] {
	return func(yield func(Edge, error) bool) {
		f, _, err := w.grants.cell(name).now()
		if err != nil {
			yield(Edge{}, fail("edges", name, err))
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
		defer func() {
			if !stop() {
				_ = f.SetReadDeadline(time.Time{})
			}
		}()
		var raw [edgeSize]byte
		for {
			n, err := f.Read(raw[:])
			switch {
			case err != nil && ctx.Err() != nil:
				return
			case err != nil:
				yield(Edge{}, fail("edges", name, w.orLost(name, err)))
				return
			case n != edgeSize:
				yield(Edge{}, fail("edges", name, fmt.Errorf("an event of %d bytes, want %d", n, edgeSize)))
				return
			}
			if !yield(edgeOf(raw), nil) {
				return
			}
		}
	}
}

// edgeOf reads timestamp_ns, id (1 rising, 2 falling) and line_seqno.
func edgeOf(raw [edgeSize]byte) Edge {
	native := binary.NativeEndian
	return Edge{Rising: native.Uint32(raw[8:]) == 1, Time: time.Duration(native.Uint64(raw[0:])), Seq: native.Uint32(raw[20:])}
}

// orLost tells the supervisor of a device that went away.
func (w *Worker) orLost(name string, err error) error {
	if !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EIO) && !errors.Is(err, os.ErrClosed) {
		return err
	}
	if errors.Is(err, os.ErrClosed) { // replaced meanwhile
		return ErrLost
	}
	if said := w.Lost(name); said != nil {
		return said
	}
	return ErrLost
}
