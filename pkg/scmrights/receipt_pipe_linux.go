package scmrights

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
)

// A worker at work answers within the time of a few switches; for so long the
// offer's goroutine waits in poll(2), which is cheaper than putting the pipe
// into the runtime's poller: epoll_ctl twice, a timer, a wake-up. Only who has
// not answered by then is waited for with the runtime, until the deadline. It
// is no deadline itself, and so not on the Clock.
const (
	quickWait     = 200 * time.Microsecond
	quickWaitSlot = 2 * time.Microsecond // more, a slot
)

// receipts are buffers for the bytes of one pipe: one more than is allowed.
var receipts = sync.Pool{New: func() any { return new([maxReceipt + 1]byte) }}

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
	if _, err := unix.FcntlInt(uintptr(p[0]), unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		_ = ends[0].Close()
		_ = ends[1].Close()
		return nil, nil, os.NewSyscallError("fcntl(F_SETFL)", err)
	}
	c := o.conn
	c.ledger.pipe(+1)
	c.mu.Lock()
	defer c.mu.Unlock()
	o.pipes = [2]int32{int32(p[0]) + 1, int32(p[1]) + 1}
	return &ends[0], &ends[1], nil
}

func (o *offer) closePipe(read io.Closer) {
	_ = read.Close()
	o.conn.mu.Lock()
	o.pipes = [2]int32{}
	o.conn.mu.Unlock()
	o.conn.ledger.pipe(-1)
}

// readReceipt reads the pipe to its end and closes it.
func (o *offer) readReceipt(b batch) ([]verdict, error) {
	c := o.conn
	buf := receipts.Get().(*[maxReceipt + 1]byte)
	defer receipts.Put(buf)
	got, ended := readQuick(b.pipe, buf[:], quickWait+time.Duration(len(b.grants))*quickWaitSlot)
	if ended {
		o.closePipe(b.pipe)
		return o.decode(b, buf[:got])
	}
	pipe := b.pipe.File("receipt")
	defer o.closePipe(pipe)
	defer expireAfter(c.cfg.Clock, c.cfg.ReceiptTimeout, pipe.SetReadDeadline)()
	defer expireWith(c.ctx, pipe.SetReadDeadline)()
	n, err := io.ReadFull(pipe, buf[got:])
	switch {
	case err == nil, err == io.EOF, err == io.ErrUnexpectedEOF:
		return o.decode(b, buf[:got+n])
	case c.ctx.Err() != nil:
		return nil, ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ErrExpired
	}
	return nil, err
}

func (o *offer) decode(b batch, receipt []byte) ([]verdict, error) {
	if len(receipt) > maxReceipt {
		return nil, faultf("more than %d bytes of receipt", maxReceipt)
	}
	return decodeReceipt(receipt, o.conn.currentEpoch(), b.seq, len(b.grants))
}

// readQuick reads what comes within the wait. It says ended when the pipe's end
// was seen before the last read, or the buffer is full; otherwise there may be
// more, and the caller reads on.
func readQuick(pipe *fd.FD, buf []byte, wait time.Duration) (got int, ended bool) {
	_ = pipe.Borrow(func(n int) error {
		fds := [1]unix.PollFd{{Fd: int32(n), Events: unix.POLLIN}}
		for range 3 { // the receipt, the end, and one signal
			timeout := unix.NsecToTimespec(int64(wait))
			ready, err := unix.Ppoll(fds[:], &timeout, nil)
			if err == unix.EINTR {
				continue
			}
			if err != nil || ready == 0 {
				return nil
			}
			ended = fds[0].Revents&unix.POLLHUP != 0
			if fds[0].Revents&unix.POLLIN == 0 {
				return nil
			}
			m, err := unix.Read(n, buf[got:])
			if err != nil {
				ended = false
				return nil
			}
			got += m
			if ended || got == len(buf) {
				ended = true
				return nil
			}
		}
		return nil
	})
	return got, ended
}

func (c *Conn) currentEpoch() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}
