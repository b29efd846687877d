package worker

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lane"
)

// nextWithin is how long Next waits for the supervisor to open and grant the
// next segment: an open, a repair and a hand-over, about a millisecond each.
const nextWithin = 5 * time.Second

// File is the descriptor granted under name: an output, a directory's segment,
// a socket. It stays the SDK's: do not close it, and ask again rather than keep
// it, because a later grant of the name replaces and closes it.
func (w *Worker) File(name string) (*os.File, error) {
	f, _, err := w.grants.cell(name).now()
	return f, fail("file", name, err)
}

// Append writes p to the end of the file granted under name and waits until the
// storage has it: one write(2) and one fdatasync(2). n says how much was
// written; after an error the rest, p[n:], may be tried again.
func (w *Worker) Append(name string, p []byte) (n int, err error) {
	f, raw, err := w.grants.cell(name).now()
	if err != nil {
		return 0, fail("append", name, err)
	}
	if n, err = f.Write(p); err != nil {
		return n, fail("append", name, err)
	}
	var sync error
	if err := raw.Control(func(fd uintptr) {
		for sync = unix.EINTR; sync == unix.EINTR; {
			sync = unix.Fdatasync(int(fd))
		}
	}); err != nil {
		return n, fail("append", name, err)
	}
	return n, fail("append", name, os.NewSyscallError("fdatasync", sync))
}

// Next asks for the next segment of a directory granted under name and waits
// until File gives it, at most 5 s. On an error the old segment stays in use.
func (w *Worker) Next(name string) error {
	g := w.grants.cell(name)
	before := g.granted()
	if err := w.say(lane.MsgNext, []byte(name)); err != nil {
		return fail("next", name, err)
	}
	ctx, cancel := context.WithTimeout(w.ctx, nextWithin)
	defer cancel()
	return fail("next", name, w.await(ctx, func() bool { return g.granted() > before }))
}

// Lost tells the supervisor that the device or connection granted under name
// does not work any more. It opens it again and grants it anew; until then File
// and Read give ErrLost. Saying it twice is saying it once.
func (w *Worker) Lost(name string) error {
	if !w.grants.cell(name).lose() {
		return nil
	}
	return fail("lost", name, w.say(lane.MsgLost, []byte(name)))
}
