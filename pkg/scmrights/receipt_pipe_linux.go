package scmrights

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// A worker at work answers within the time of a few switches; for so long the
// offer's goroutine waits in poll(2) without leaving its processor, which is
// cheaper than putting the pipe into the runtime's poller: epoll_ctl twice, a
// timer, a wake-up. Only who has not answered by then is waited for with the
// runtime, until the deadline. It is no deadline itself, and so not on the
// Clock; a silent worker can keep one processor from other goroutines for so long.
const (
	quickWait     = 200 * time.Microsecond
	quickWaitSlot = 2 * time.Microsecond // more, a slot
)

// scratch is what one look at a receipt needs, kept for the next.
type scratch struct {
	receipt  [maxReceipt + 1]byte // one more than is allowed
	verdicts [MaxSlots]verdict
	taken    [MaxSlots]*Grant
	moved    [MaxSlots]*Grant
	numbers  [MaxSlots]int
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// put gives s back, without what it leads to.
func (s *scratch) put() {
	clear(s.taken[:])
	clear(s.moved[:])
	scratches.Put(s)
}

// openPipe makes a pipe of which only the read end is non-blocking: the
// worker's end is for programs in any language, and a read that waits could be
// made to wait for ever by a worker that takes its bytes out again.
func (o *offer) openPipe() (read, write *fd.FD, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	ends := new([2]fd.FD)
	ends[0].Own(p[0])
	ends[1].Own(p[1])
	if _, err := sys.BriefFcntl(p[0], unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		closeEnd(&ends[0])
		closeEnd(&ends[1])
		return nil, nil, err
	}
	c := o.conn
	c.ledger.pipe(+1)
	c.mu.Lock()
	defer c.mu.Unlock()
	o.pipes = [2]int32{int32(p[0]) + 1, int32(p[1]) + 1}
	return &ends[0], &ends[1], nil
}

// closeEnd closes an end of a receipt pipe.
func closeEnd(end *fd.FD) {
	if n, owned := end.Release(); owned {
		_ = sys.BriefClosePipe(n)
	}
}

// pipeClosed books that the read end was closed.
func (o *offer) pipeClosed() {
	o.conn.mu.Lock()
	o.pipes = [2]int32{}
	o.conn.mu.Unlock()
	o.conn.ledger.pipe(-1)
}

// readReceipt reads the pipe to its end and closes it. The verdicts are in room.
func (o *offer) readReceipt(b batch, room *scratch) ([]verdict, error) {
	c := o.conn
	buf := room.receipt[:]
	if got, ended := readQuick(b.pipe, buf, quickWait+time.Duration(len(b.grants))*quickWaitSlot); ended {
		closeEnd(b.pipe)
		o.pipeClosed()
		return o.decode(b, buf[:got], room)
	}
	pipe := b.pipe.File("receipt")
	defer o.pipeClosed()
	defer func() { _ = pipe.Close() }()
	defer expireAfter(c.cfg.Clock, c.cfg.ReceiptTimeout, pipe.SetReadDeadline)()
	defer expireWith(c.ctx, pipe.SetReadDeadline)()
	got, err := io.ReadFull(pipe, buf)
	switch {
	case err == nil, err == io.EOF, err == io.ErrUnexpectedEOF:
		return o.decode(b, buf[:got], room)
	case c.ctx.Err() != nil:
		return nil, ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ErrExpired
	}
	// A receipt may be in the pipe: that it was not read proves no loss.
	return nil, fmt.Errorf("%w: %w", ErrExpired, err)
}

func (o *offer) decode(b batch, receipt []byte, room *scratch) ([]verdict, error) {
	if len(receipt) > maxReceipt {
		return nil, faultf("more than %d bytes of receipt", maxReceipt)
	}
	return decodeReceipt(room.verdicts[:0], receipt, o.conn.currentEpoch(), b.seq, len(b.grants))
}

// readQuick reads the pipe when its end comes within the wait. Only the end wakes
// it, not the receipt, which is written before: that saves both sides a switch.
func readQuick(pipe *fd.FD, buf []byte, wait time.Duration) (got int, ended bool) {
	_ = pipe.Borrow(func(n int) error {
		events, err := sys.BriefPoll(n, 0, wait)
		if err != nil || events&unix.POLLHUP == 0 {
			return err
		}
		// All that was written is there now, and a pipe gives up to all of it
		// in one read. None of it is the end alone.
		got, err = unix.Read(n, buf)
		ended = err == nil
		return err
	})
	return got, ended
}

func (c *Conn) currentEpoch() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}
