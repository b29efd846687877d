package sysvctl

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"sallyport/internal/sys"
)

// Key names a queue among unrelated programs. ID is what the kernel gives for
// it; the first queue of a namespace has the id 0. Type is the type of a
// message, 1 or more; on 32 bit at most 2^31-1.
type (
	Key  int32
	ID   int32
	Type int64
)

// Private is the key of a queue that nobody can look up (IPC_PRIVATE).
const Private Key = 0

const (
	ipcCreate = 0o1000
	ipcExcl   = 0o2000
)

// Queue is one queue. It holds no resource of this process and needs no Close;
// the queue itself lives until it is removed or its IPC namespace ends. Its
// methods may be called by several goroutines.
type Queue struct {
	id  ID
	key Key
	// attached: this may be a confined endpoint, which is ended for a msgctl.
	attached bool
	// The two everyday answers of the try calls, made once: a drain loop ends
	// with one of them each time and must not allocate.
	full, empty *Error
}

// Options of Create. The zero value is a queue that only its creator may use,
// with the size that the namespace gives.
type Options struct {
	Mode   uint32 // permission bits; 0 means 0600
	QBytes uint64 // msg_qbytes in bytes; 0 keeps kernel.msgmnb
	// Adopt takes a queue that has the key already, as it is, when its creator
	// and its owner are the effective user of this process; else the error is
	// ErrForeign. Nothing of Mode and QBytes is then applied.
	Adopt bool
}

// Create makes a new queue, and fails with ErrExists when the key is taken:
// msgget(2) without IPC_EXCL would adopt the queue of anybody.
func Create(key Key, o Options) (*Queue, error) {
	me := uint32(os.Geteuid())
	for range adoptTries {
		q, err := create(key, o)
		if !o.Adopt || key == Private || !errors.Is(err, ErrExists) {
			return q, err
		}
		q, err = Open(key, Wanted{CUID: me, UID: me})
		if !errors.Is(err, ErrNotExist) && !errors.Is(err, ErrRemoved) {
			return q, err
		}
	}
	return nil, &Error{Op: "create: it comes and goes", ID: -1, Key: key, Kind: ErrExists, Err: syscall.EEXIST}
}

// adoptTries bounds the race with somebody who makes and removes the queue.
const adoptTries = 10

func create(key Key, o Options) (*Queue, error) {
	mode := o.Mode & 0o777
	if mode == 0 {
		mode = 0o600
	}
	id, err := sys.MsgGet(int32(key), int(mode)|ipcCreate|ipcExcl)
	if err != nil {
		return nil, &Error{Op: "msgget", ID: -1, Key: key, Kind: kindOf(err), Err: err}
	}
	q := newQueue(ID(id), key)
	if o.QBytes != 0 {
		applied, err := q.Set(func(a *Attr) { a.QBytes = o.QBytes })
		if err == nil && applied.QBytes != o.QBytes {
			err = &Error{Op: fmt.Sprintf("IPC_SET of %d bytes, kernel.msgmnb is %d", o.QBytes, applied.QBytes), ID: q.id, Key: key, Kind: ErrLimit, Err: syscall.EPERM}
		}
		if err != nil {
			_ = q.Remove() // the error to tell is the first one
			return nil, err
		}
	}
	return q, nil
}

// Wanted is what a queue made by somebody else must be like. The zero value
// wants creator and owner to be root.
type Wanted struct {
	CUID uint32 // creator: cannot be changed and always keeps control
	UID  uint32 // owner
	// Anyone is for tools that show or control queues and trust none of them.
	Anyone bool
}

// Open looks a key up and checks the queue as FromID does.
func Open(key Key, w Wanted) (*Queue, error) {
	id, err := sys.MsgGet(int32(key), 0)
	if err != nil {
		return nil, &Error{Op: "msgget", ID: -1, Key: key, Kind: kindOf(err), Err: err}
	}
	return FromID(ID(id), w)
}

// FromID adopts a queue by its id, and fails with ErrForeign when its creator or
// owner is not the one wanted. It needs no permission on the queue (MSG_STAT_ANY).
func FromID(id ID, w Wanted) (*Queue, error) {
	q := newQueue(id, Private)
	st, err := q.Stat()
	if err != nil {
		return nil, err
	}
	q.key = st.Key
	if !w.Anyone && (st.CUID != w.CUID || st.UID != w.UID) {
		return nil, &Error{
			Op: fmt.Sprintf("adopt: creator %d and owner %d, want %d and %d", st.CUID, st.UID, w.CUID, w.UID),
			ID: id, Key: st.Key, Kind: ErrForeign,
		}
	}
	return q, nil
}

// Attach trusts an id that came from the owner of the queue on a trusted way.
// It makes no system call: a confined endpoint may have none but msgsnd and msgrcv.
func Attach(id ID) *Queue {
	q := newQueue(id, Private)
	q.attached = true
	return q
}

func newQueue(id ID, key Key) *Queue {
	return &Queue{
		id: id, key: key,
		full:  &Error{Op: "msgsnd", ID: id, Key: key, Kind: ErrFull, Err: syscall.EAGAIN},
		empty: &Error{Op: "msgrcv", ID: id, Key: key, Kind: ErrNoMessage, Err: syscall.ENOMSG},
	}
}

// ID returns the id of the queue.
func (q *Queue) ID() ID { return q.id }

// Key returns the key of the queue, Private for one that was attached.
func (q *Queue) Key() Key { return q.key }

// Remove removes the queue with all that is in it (IPC_RMID). Callers that wait
// on it get ErrRemoved.
func (q *Queue) Remove() error {
	if err := sys.MsgRemoveID(int32(q.id)); err != nil {
		return q.fail("IPC_RMID", err)
	}
	return nil
}
