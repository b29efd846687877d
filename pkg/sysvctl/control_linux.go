package sysvctl

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"sallyport/internal/sys"
)

// Attr is what the owner or the creator of a queue may change. QBytes is in bytes.
type Attr struct {
	UID, GID uint32
	Mode     uint32
	QBytes   uint64
}

// Set reads the attributes, lets change alter them, and writes them back
// (IPC_SET). It returns them as written: QBytes is lowered to kernel.msgmnb
// where more is not allowed, which the kernel would refuse even for a value
// that was not touched. Two controllers at once overwrite each other.
func (q *Queue) Set(change func(*Attr)) (Attr, error) {
	st, err := q.Stat()
	if err != nil {
		return Attr{}, err
	}
	a := Attr{UID: st.UID, GID: st.GID, Mode: st.Mode, QBytes: st.QBytes}
	change(&a)
	return q.write(a)
}

func (q *Queue) write(a Attr) (Attr, error) {
	err := sys.MsgSet(int32(q.id), a.UID, a.GID, a.Mode, a.QBytes)
	if err == syscall.EPERM {
		if l, lerr := ReadLimits(); lerr == nil && a.QBytes > l.QBytes {
			a.QBytes = l.QBytes
			err = sys.MsgSet(int32(q.id), a.UID, a.GID, a.Mode, a.QBytes)
		}
	}
	if err != nil {
		return Attr{}, q.fail("IPC_SET", err)
	}
	return a, nil
}

// Permit gives the queue to group gid with the permission bits mode: the first
// class that matches a process decides (owner or creator, group, others), and
// only r and w mean anything.
func (q *Queue) Permit(gid, mode uint32) error {
	_, err := q.Set(func(a *Attr) { a.GID, a.Mode = gid, mode })
	return err
}

// Dir is a direction through a queue, or both.
type Dir uint8

// Directions.
const (
	Senders Dir = 1 << iota
	Receivers
)

// Revoke takes the right to send, to receive, or both, from the group and all
// others; the owner keeps its own. Whoever waits in a call gets ErrRevoked, and
// when Revoke returns no message of theirs can enter any more. What is queued
// stays. A receiver that waited can still be handed one message, sent after
// Revoke is back: the kernel leaves it listed until it has run (ipc/msg.c,
// pipelined_send; TestRevokedReceiverMayGetOneMoreMessage).
//
// The kernel wakes waiting receivers at every IPC_SET, but waiting senders only
// when their message would now fit: so the same IPC_SET raises msg_qbytes, and
// a second one restores it. That needs room for the largest message below
// kernel.msgmnb, or CAP_SYS_RESOURCE. Where there is none Revoke takes the right
// away all the same, leaves asleep whose message still does not fit (they are
// refused as soon as it does), and returns ErrLimit; also when messages of the
// owner alone came in meanwhile and it cannot tell.
func (q *Queue) Revoke(d Dir) error {
	st, err := q.Stat()
	if err != nil {
		return err
	}
	a := Attr{UID: st.UID, GID: st.GID, Mode: st.Mode, QBytes: st.QBytes}
	if d&Receivers != 0 {
		a.Mode &^= 0o044
	}
	if d&Senders == 0 {
		_, err := q.write(a)
		return err
	}
	a.Mode &^= 0o022
	l, err := ReadLimits()
	if err != nil {
		return err
	}
	largest := max(l.Size, defaultMax)
	kick := a
	kick.QBytes = max(st.QBytes, st.Bytes, st.Messages) + largest
	kicked, err := q.write(kick)
	if err != nil {
		return err
	}
	left, err := q.Stat() // nobody but the owner adds to it any more
	if _, werr := q.write(a); werr != nil {
		return fmt.Errorf("restore the size after a revoke: %w", werr)
	}
	if err != nil {
		return err
	}
	// With all the room that was asked for, every message of those who slept fits:
	// they could not add to the queue beyond the size it had. What is in it now may
	// be more, where messages of the owner, who keeps the right, came in between.
	if need := max(left.Bytes, left.Messages) + largest; kicked.QBytes < min(need, kick.QBytes) {
		return &Error{Op: fmt.Sprintf("wake every sender: kernel.msgmnb allows %d bytes, it takes %d", kicked.QBytes, need), ID: q.id, Key: q.key, Kind: ErrLimit, Err: syscall.EPERM}
	}
	return nil
}

// Pause makes every send wait, or fail with ErrFull, whatever its size
// (msg_qbytes 0), while receivers go on. It returns the size before, in bytes,
// for Resume.
func (q *Queue) Pause() (before uint64, err error) {
	_, err = q.Set(func(a *Attr) { before, a.QBytes = a.QBytes, 0 })
	return before, err
}

// Throttle lowers the size of the queue to bytes, 1 or more, and returns the
// size before. It never raises it. What is queued stays, also when it is more;
// senders wait, or find the queue full, until receivers made room.
func (q *Queue) Throttle(bytes uint64) (before uint64, err error) {
	if bytes == 0 {
		return 0, &Error{Op: "throttle to 0 bytes: that is Pause", ID: q.id, Key: q.key, Err: syscall.EINVAL}
	}
	_, err = q.Set(func(a *Attr) { before, a.QBytes = a.QBytes, min(a.QBytes, bytes) })
	return before, err
}

// Resume ends a Pause or a Throttle: it sets the size to bytes, 0 for
// kernel.msgmnb, the size of a new queue, and lets the senders in again. Where
// kernel.msgmnb is less, the size is that, and the error ErrLimit.
func (q *Queue) Resume(bytes uint64) error {
	if bytes == 0 {
		l, err := ReadLimits()
		if err != nil {
			return err
		}
		bytes = l.QBytes
	}
	applied, err := q.Set(func(a *Attr) { a.QBytes = bytes })
	if err == nil && applied.QBytes < bytes {
		err = &Error{Op: fmt.Sprintf("resume with %d bytes, kernel.msgmnb is %d", bytes, applied.QBytes), ID: q.id, Key: q.key, Kind: ErrLimit, Err: syscall.EPERM}
	}
	return err
}

// Drain takes all messages away, oldest first, gives each to take, and returns
// how many there were. It ends when the queue is empty or ctx ends. The data of
// a message is valid until take returns.
func (q *Queue) Drain(ctx context.Context, take func(Message)) (taken int, err error) {
	buf := make([]byte, defaultMax)
	for {
		if ctx.Err() != nil {
			return taken, &Error{Op: "drain", ID: q.id, Key: q.key, Err: context.Cause(ctx)}
		}
		m, err := q.TryReceive(Any(), buf)
		switch {
		case err == nil:
			take(m)
			taken++
		case errors.Is(err, ErrNoMessage):
			return taken, nil
		case errors.Is(err, ErrTooBig):
			buf = make([]byte, 2*len(buf))
		default:
			return taken, err
		}
	}
}
