package sysvctl

import (
	"syscall"
	"time"

	"sallyport/internal/sys"
)

// Stat is the state of a queue. Times have a resolution of one second and are
// zero when there was no such event.
type Stat struct {
	ID         ID
	Key        Key
	UID, GID   uint32 // owner
	CUID, CGID uint32 // creator
	Mode       uint32 // permission bits
	Bytes      uint64 // queued
	Messages   uint64 // queued
	QBytes     uint64 // limit of Bytes, and of Messages too
	Sender     int    // process id of the last sender
	Receiver   int    // of the last receiver: a thread id when it was waiting, else a process id
	Sent       time.Time
	Received   time.Time
	Changed    time.Time
}

// Stat reads the state of the queue. Without the permission to read it falls
// back to MSG_STAT_ANY, which needs none.
func (q *Queue) Stat() (Stat, error) {
	k, err := sys.MsgStat(int32(q.id), sys.MsgStatID)
	if err == syscall.EACCES {
		k, err = sys.MsgStat(int32(q.id), sys.MsgStatAny)
		if err == nil && ID(k.Index) != q.id {
			err = syscall.EINVAL // the slot was given to another queue
		}
	}
	if err != nil {
		return Stat{}, q.fail("IPC_STAT", err)
	}
	return newStat(q.id, k), nil
}

// List returns the state of every queue of the IPC namespace. It needs no
// permission on them; before Linux 4.17, which has no MSG_STAT_ANY, it fails at
// the first queue that the caller may not read.
func List() ([]Stat, error) {
	info, err := sys.MsgLimits(sys.MsgInfoMSG)
	if err != nil {
		return nil, &Error{Op: "MSG_INFO", ID: -1, Kind: kindOf(err), Err: err}
	}
	var all []Stat
	for i := int32(0); i <= info.Index; i++ {
		op := "MSG_STAT_ANY"
		k, err := sys.MsgStat(i, sys.MsgStatAny)
		if err == syscall.EINVAL { // an empty slot, or an old kernel
			op = "MSG_STAT"
			k, err = sys.MsgStat(i, sys.MsgStatIdx)
		}
		switch err {
		case nil:
			all = append(all, newStat(ID(k.Index), k))
		case syscall.EINVAL, syscall.EIDRM:
		default:
			return nil, &Error{Op: op, ID: -1, Kind: kindOf(err), Err: err}
		}
	}
	return all, nil
}

// Usage is what all queues of the IPC namespace hold together.
type Usage struct {
	Queues   uint64
	Messages uint64
	Bytes    uint64
}

// ReadUsage reads what is in use (MSG_INFO, which gives the figures in fields
// that are named for other things: msgctl(2)). The kernel counts in 32 bits.
func ReadUsage() (Usage, error) {
	i, err := sys.MsgLimits(sys.MsgInfoMSG)
	if err != nil {
		return Usage{}, &Error{Op: "MSG_INFO", ID: -1, Kind: kindOf(err), Err: err}
	}
	return Usage{Queues: uint64(uint32(i.Pool)), Messages: uint64(uint32(i.Map)), Bytes: uint64(uint32(i.Tql))}, nil
}

func newStat(id ID, k sys.MsgStatus) Stat {
	at := func(seconds int64) time.Time {
		if seconds == 0 {
			return time.Time{}
		}
		return time.Unix(seconds, 0)
	}
	return Stat{
		ID: id, Key: Key(k.Key), UID: k.UID, GID: k.GID, CUID: k.CUID, CGID: k.CGID, Mode: k.Mode & 0o777,
		Bytes: k.Cbytes, Messages: k.Qnum, QBytes: k.Qbytes, Sender: int(k.Lspid), Receiver: int(k.Lrpid),
		Sent: at(k.Stime), Received: at(k.Rtime), Changed: at(k.Ctime),
	}
}
