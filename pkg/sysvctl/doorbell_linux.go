package sysvctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A System V queue cannot be polled. A doorbell is a pipe that goes with it: who
// sends a message rings afterwards, and who receives empties the queue, waits
// for the bell, and empties it again. So a receiver fits select, epoll and Go's
// poller, and a waiting goroutine holds no thread. A pipe and not an eventfd,
// because its write end cannot take a ring away.

// NewDoorbell makes a bell: the end that hears it and the end that rings it,
// both nonblocking and close-on-exec. The caller owns both files and may send
// them to other processes with the id of the queue. The receiver's side should
// keep a write end open, so that the bell outlives its last sender, and the
// senders' side a read end, so that no sender meets SIGPIPE.
func NewDoorbell() (hear, ring *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("doorbell: %w", os.NewSyscallError("pipe2", err))
	}
	return os.NewFile(uintptr(p[0]), "doorbell"), os.NewFile(uintptr(p[1]), "doorbell"), nil
}

// Doorbell is the hearing end of a bell.
type Doorbell struct{ file *os.File }

// OpenDoorbell borrows the hearing end. It must be nonblocking, so that it is in
// Go's poller.
func OpenDoorbell(f *os.File) (*Doorbell, error) {
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("doorbell %s: %w: open it with O_NONBLOCK", f.Name(), err)
	}
	return &Doorbell{f}, nil
}

// Wait returns true when the bell was rung since the last call, and false when
// patience or the context ended first; patience below 1 ms is 1 ms. One goroutine at a
// time may wait. A bell that nobody can ring any more, or that was closed, waits
// for its patience.
func (d *Doorbell) Wait(ctx context.Context, patience time.Duration) bool {
	patience = max(patience, time.Millisecond)
	if err := d.file.SetReadDeadline(time.Now().Add(patience)); err != nil {
		idle(ctx, patience)
		return false
	}
	stop := context.AfterFunc(ctx, func() { _ = d.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var rings [256]byte
	_, err := d.file.Read(rings[:])
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		idle(ctx, patience)
	}
	return err == nil
}

const restTicks = 8

// Receive takes the message of q that sel wants into buf; while there is none
// it waits for the bell until ctx ends. It looks at the queue after every tick as
// well, for senders that do not ring; while nothing comes the ticks double, up to
// eight times their length, so that a receiver at rest hardly wakes. The order is what makes it safe: a sender
// sends and then rings, so a message that a look did not see has its ring still
// to come.
func (d *Doorbell) Receive(ctx context.Context, q *Queue, sel Selector, buf []byte, tick time.Duration) (Message, error) {
	for pause := tick; ; {
		m, err := q.TryReceive(sel, buf)
		if err != q.empty {
			return m, err
		}
		if ctx.Err() != nil {
			return Message{}, q.fail("doorbell", context.Cause(ctx))
		}
		if d.Wait(ctx, pause) {
			pause = tick
		} else {
			pause = min(2*pause, restTicks*tick)
		}
	}
}

// Ringer is the ringing end of a bell. Its methods may be called by several
// goroutines; a nil Ringer is a bell that is not there.
type Ringer struct {
	conn syscall.RawConn
	once func(fd uintptr) bool
}

// OpenRinger borrows the ringing end, which must be nonblocking.
func OpenRinger(f *os.File) (*Ringer, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("doorbell %s: %w", f.Name(), err)
	}
	one := []byte{1}
	return &Ringer{conn: conn, once: func(fd uintptr) bool {
		// A full pipe is a bell that rings already. EPIPE means that nobody
		// hears. Either way there is nothing to do: receivers have a tick.
		_, _ = unix.Write(int(fd), one)
		return true // never wait for room
	}}, nil
}

// Ring neither waits nor allocates. Call it after the message was sent.
func (r *Ringer) Ring() {
	if r != nil {
		_ = r.conn.Write(r.once)
	}
}

func idle(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
