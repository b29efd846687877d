package scmrights

import (
	"context"
	"time"

	"sallyport/internal/fault"
)

// unattended is how long a receipt waits for somebody who waits for it. Who
// calls Wait at once reads it by himself, which saves a goroutine and the
// switches to and from it; for who does not, the Conn does.
const unattended = time.Millisecond

// unread is a batch whose receipt nobody reads yet; guarded by conn.mu.
type unread struct {
	batch batch // without a pipe: there is none, or somebody reads
	timer *time.Timer
}

// leave leaves the receipt of a batch to the first who waits. The steps that
// follow it in ModeExclusive have their own deadline, and no caller to wait for.
func (o *offer) leave(b batch) {
	if o.exclusive {
		go o.run(b, newScratch())
		return
	}
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	o.unread.batch = b
	o.unread.timer = time.AfterFunc(unattended, func() {
		if b, mine := o.claim(); mine {
			o.run(b, newScratch())
		}
	})
}

// claim takes the batch, for one caller only.
func (o *offer) claim() (b batch, mine bool) {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	b, o.unread.batch = o.unread.batch, batch{}
	return b, b.pipe != nil
}

// attend reads the receipt in the goroutine of who waits for it, when nobody
// else does and it comes at once. All but a good receipt is left to a goroutine
// of the Conn: it takes time, or calls Config.OnFault. It is false when there
// was nothing to do.
func (o *offer) attend(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	b, mine := o.claim()
	if !mine {
		return false
	}
	o.unread.timer.Stop()
	room := newScratch()
	o.readFirst(b, room)
	if !room.read || !o.plain(room) {
		go o.run(b, room)
		return true
	}
	fault.Point("P5")
	o.settle(b, room.answer, nil, room)
	fault.Point("P6")
	o.over(room)
	return true
}

// readFirst reads the receipt if it comes at once.
func (o *offer) readFirst(b batch, room *scratch) {
	room.credits = o.conn.creditChange()
	buf := room.receipt[:]
	if got, ended := readQuick(b.pipe, buf, quickWait); ended {
		closeEnd(b.pipe)
		o.pipeClosed()
		room.answer, room.err = o.decode(b, buf[:got], room)
		room.read = true
	}
}

// plain says that all were taken and nothing has to be looked at.
func (o *offer) plain(room *scratch) bool {
	if room.err != nil || room.answer == nil || o.conn.cfg.PidFD != nil && o.conn.cfg.Compare > 0 {
		return false
	}
	for i := range room.answer {
		if room.answer[i].status != StatusTaken {
			return false
		}
	}
	return true
}

// over is the end of an offer of which nothing is left to do.
func (o *offer) over(room *scratch) {
	fault.Point("P7")
	room.put()
	o.conn.wg.Done()
}
