package sysvctl

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"sallyport/internal/sys"
)

// Peek reads the message at place index, 0 for the oldest, into buf and leaves
// it queued (MSG_COPY). It needs the permission to receive. Past the end the
// error is ErrNoMessage; a kernel without CONFIG_CHECKPOINT_RESTORE cannot do
// it, which is errors.ErrUnsupported.
func (q *Queue) Peek(index int, buf []byte) (Message, error) {
	n, t, err := sys.MsgReceive(int32(q.id), buf, int64(index), sys.MsgCopy|sys.MsgNoWait)
	switch {
	case err == nil:
		return Message{Type: Type(t), Data: buf[:n]}, nil
	case err == syscall.ENOMSG:
		return Message{}, q.empty
	}
	return Message{}, q.fail("msgrcv with MSG_COPY", err)
}

// Snapshot is all that is in a queue, with its state, at a moment. Steady says
// that the figures of the queue were the same before and after the messages
// were read; while it is in use messages can come and go in between, so pause
// the senders and stop the receivers for a snapshot that is whole.
type Snapshot struct {
	Taken    time.Time
	Stat     Stat
	Messages []Message // oldest first; the data is their own
	Steady   bool
}

// Snapshot reads every message and takes none. See Peek for what it needs.
func (q *Queue) Snapshot() (Snapshot, error) {
	before, err := q.Stat()
	if err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{Taken: time.Now()}
	buf := make([]byte, defaultMax)
	for {
		m, err := q.Peek(len(s.Messages), buf)
		switch {
		case err == nil:
			m.Data = append([]byte(nil), m.Data...)
			s.Messages = append(s.Messages, m)
			continue
		case errors.Is(err, ErrTooBig):
			buf = make([]byte, 2*len(buf))
			continue
		case !errors.Is(err, ErrNoMessage):
			return Snapshot{}, err
		}
		if s.Stat, err = q.Stat(); err != nil {
			return Snapshot{}, err
		}
		s.Steady = s.Stat == before && s.Stat.Messages == uint64(len(s.Messages))
		return s, nil
	}
}

// Fill sends the messages of a snapshot to the queue, oldest first, and stops
// at the first that is refused. It returns how many there were.
func (q *Queue) Fill(s Snapshot) (sent int, err error) {
	for _, m := range s.Messages {
		if err := q.TrySend(m.Type, m.Data); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

const nextID = "/proc/sys/kernel/msg_next_id"

// Restore makes the queue of a snapshot again: its key, messages, owner, mode
// and size. sameID asks for its id as well, which programs may have kept; that
// needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, and that nobody else makes a
// queue at that moment. The queue is closed to everybody else until it is
// complete. Its creator is the caller, whoever it was before. On an error
// nothing is left behind.
func Restore(s Snapshot, sameID bool) (*Queue, error) {
	if sameID {
		if err := chooseNextID(s.Stat.ID); err != nil {
			return nil, err
		}
	}
	q, err := Create(s.Stat.Key, Options{})
	if err != nil {
		if sameID {
			useUpNextID()
		}
		return nil, err
	}
	if sameID && q.id != s.Stat.ID {
		err = &Error{Op: fmt.Sprintf("restore: the id %d is taken", s.Stat.ID), ID: -1, Kind: ErrExists, Err: syscall.EEXIST}
	}
	if err == nil {
		err = q.restore(s)
	}
	if err != nil {
		_ = q.Remove() // the error to tell is the first one
		return nil, err
	}
	return q, nil
}

// restore fills before it opens. A queue that was throttled or paused holds
// more than its size, so the size comes last.
func (q *Queue) restore(s Snapshot) error {
	held := uint64(0)
	for _, m := range s.Messages {
		held += uint64(len(m.Data))
	}
	room := max(held, uint64(len(s.Messages)))
	applied, err := q.Set(func(a *Attr) { a.QBytes = max(a.QBytes, room) })
	if err != nil {
		return err
	}
	if applied.QBytes < room {
		return &Error{Op: fmt.Sprintf("restore %d bytes, kernel.msgmnb is %d", room, applied.QBytes), ID: q.id, Key: q.key, Kind: ErrLimit, Err: syscall.EPERM}
	}
	if _, err := q.Fill(s); err != nil {
		return err
	}
	_, err = q.Set(func(a *Attr) {
		*a = Attr{UID: s.Stat.UID, GID: s.Stat.GID, Mode: s.Stat.Mode, QBytes: s.Stat.QBytes}
	})
	return err
}

// chooseNextID says which id the next queue of the namespace gets, if it is free.
func chooseNextID(id ID) error {
	if err := os.WriteFile(nextID, []byte(strconv.Itoa(int(id))), 0); err != nil {
		return fmt.Errorf("choose the id %d for a queue: %w", id, err)
	}
	return nil
}

// useUpNextID makes a queue for nothing: the choice ends with the next that is
// made, whoever makes it, and the kernel takes no -1 to undo it (ipc_sysctl.c).
func useUpNextID() {
	if q, err := create(Private, Options{}); err == nil {
		_ = q.Remove() // ours, of this moment
	}
}
