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

// A worker at work answers within the time of a few switches. For that it is
// waited for in poll(2) without leaving the processor, which is cheaper than
// putting the pipe into the runtime's poller: epoll_ctl twice, a timer, a wake-up.
// Who has not answered by then is waited for with the runtime, until the deadline.
// This is no deadline itself, and so not on the Clock.
//
// It is longer than a tick of the kernel (4 ms) because a timer that is the next
// one to expire has to be programmed, twice a hand-over: in a virtual machine that
// is 10 of 24 microseconds. A silent worker can keep one processor from other
// goroutines for so long, and no stop of the world: its signal ends the poll.
const quickWait = 5 * time.Millisecond

// scratch is what one look at a receipt needs, kept for the next.
type scratch struct {
	receipt  [maxReceipt + 1]byte // one more than is allowed
	verdicts [MaxSlots]verdict
	taken    [MaxSlots]*Grant
	moved    [MaxSlots]*Grant
	numbers  [MaxSlots]int

	read    bool // what follows was read and not settled
	answer  []verdict
	err     error
	credits <-chan struct{} // closed when the worker had more room than before the receipt
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newScratch() *scratch { return scratches.Get().(*scratch) }

// put gives s back, without what it leads to.
func (s *scratch) put() {
	clear(s.taken[:])
	clear(s.moved[:])
	s.read, s.answer, s.err, s.credits = false, nil, nil, nil
	scratches.Put(s)
}

// receiptPipe is both ends of a pipe. Both are non-blocking: a read that waits
// could be made to wait for ever by a worker that takes its bytes out again, and
// the worker's one write goes into an empty pipe.
type receiptPipe struct {
	ends    [2]fd.FD // for reading, for writing
	numbers [2]int   // plus one, for the auditor
}

func newReceiptPipe() (*receiptPipe, error) {
	var numbers [2]int
	if err := unix.Pipe2(numbers[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	p := &receiptPipe{numbers: [2]int{numbers[0] + 1, numbers[1] + 1}}
	p.ends[0].Own(numbers[0])
	p.ends[1].Own(numbers[1])
	return p, nil
}

// close closes both ends; of none it does nothing.
func (p *receiptPipe) close() {
	if p != nil {
		closeEnd(&p.ends[0])
		closeEnd(&p.ends[1])
	}
}

// prepare makes the pipe of the next offer when an offer is over, so that nobody
// waits for it then.
func (c *Conn) prepare() {
	p, err := newReceiptPipe()
	if err != nil {
		return // the next offer says so
	}
	c.mu.Lock()
	if c.spare == nil && !c.closing {
		c.spare, p = p, nil
	}
	c.mu.Unlock()
	p.close()
}

// takeSpare is nil when there is none.
func (c *Conn) takeSpare() *receiptPipe {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.spare
	c.spare = nil
	return p
}

// openPipe gives an offer its pipe and books it.
func (o *offer) openPipe() (read, write *fd.FD, err error) {
	c := o.conn
	p := c.takeSpare()
	if p == nil {
		if p, err = newReceiptPipe(); err != nil {
			return nil, nil, err
		}
	}
	c.ledger.pipe(+1)
	c.mu.Lock()
	defer c.mu.Unlock()
	o.pipes = p.numbers
	return &p.ends[0], &p.ends[1], nil
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
	o.pipes = [2]int{}
	o.conn.mu.Unlock()
	o.conn.ledger.pipe(-1)
}

// readSlowly reads the pipe to its end with the runtime's poller, and closes it.
// The verdicts are in room.
func (o *offer) readSlowly(b batch, room *scratch) ([]verdict, error) {
	c := o.conn
	buf := room.receipt[:]
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
