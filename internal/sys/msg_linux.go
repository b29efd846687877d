package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of msgctl(2) and flags of msgrcv(2), from the kernel's linux/ipc.h
// and linux/msg.h.
const (
	MsgRemove  = 0  // IPC_RMID
	MsgChange  = 1  // IPC_SET
	MsgStatID  = 2  // IPC_STAT
	MsgInfoIPC = 3  // IPC_INFO
	MsgStatIdx = 11 // MSG_STAT
	MsgInfoMSG = 12 // MSG_INFO
	MsgStatAny = 13 // MSG_STAT_ANY

	MsgNoWait  = 0x800  // IPC_NOWAIT
	MsgNoError = 0x1000 // MSG_NOERROR
	MsgExcept  = 0x2000 // MSG_EXCEPT
	MsgCopy    = 0x4000 // MSG_COPY
)

// Message buffers are a native long and the text behind it. Two sizes live on
// the stack, so that no call up to the default of msgmax allocates.
type (
	msgSmall struct {
		mtype int
		text  [256]byte
	}
	msgLarge struct {
		mtype int
		text  [8192]byte
	}
)

// MsgStatus is the kernel's struct msqid64_ds without its padding. Times are
// seconds since 1970, sizes bytes. Index is what msgctl returned: the id for
// MsgStatIdx and MsgStatAny.
type MsgStatus struct {
	Key                 int32
	UID, GID            uint32
	CUID, CGID          uint32
	Mode                uint32
	Stime, Rtime, Ctime int64
	Cbytes, Qnum        uint64
	Qbytes              uint64
	Lspid, Lrpid        int32
	Index               int32
}

// MsgInfo is the kernel's struct msginfo; Index is what msgctl returned, the
// highest index in use.
type MsgInfo struct {
	Pool, Map, Max, Mnb, Mni, Ssz, Tql int32
	Seg                                uint16
	_                                  uint16
	Index                              int32
}

// MsgGet is msgget(2).
func MsgGet(key int32, flags int) (id int32, err error) {
	r, e := msgget(uintptr(key), uintptr(flags))
	return int32(r), msgErr(e)
}

// MsgSend is msgsnd(2) of one message. The type is a native long: on 32 bit its
// upper half is cut off. With MsgNoWait it never blocks and the
// scheduler is not told; without it the call can block its thread.
func MsgSend(id int32, mtype int64, text []byte, flags int) error {
	if len(text) <= len(msgSmall{}.text) {
		var b msgSmall
		b.mtype = int(mtype)
		copy(b.text[:], text)
		return msgSend(id, unsafe.Pointer(&b), len(text), flags)
	}
	return msgSendLarge(id, mtype, text, flags)
}

//go:noinline
func msgSendLarge(id int32, mtype int64, text []byte, flags int) error {
	if len(text) > len(msgLarge{}.text) {
		const long = int(unsafe.Sizeof(int(0)))
		b := make([]int, 1+(len(text)+long-1)/long)
		b[0] = int(mtype)
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&b[1])), len(text)), text)
		return msgSend(id, unsafe.Pointer(&b[0]), len(text), flags)
	}
	var b msgLarge
	b.mtype = int(mtype)
	copy(b.text[:], text)
	return msgSend(id, unsafe.Pointer(&b), len(text), flags)
}

func msgSend(id int32, b unsafe.Pointer, n, flags int) error {
	return msgErr(msgsnd(uintptr(id), b, uintptr(n), uintptr(flags)))
}

// MsgReceive is msgrcv(2) of one message of at most len(buf) bytes. The rules
// about blocking are those of MsgSend.
func MsgReceive(id int32, buf []byte, mtype int64, flags int) (n int, got int64, err error) {
	if len(buf) <= len(msgSmall{}.text) {
		var b msgSmall
		n, err = msgReceive(id, unsafe.Pointer(&b), len(buf), mtype, flags)
		return copy(buf, b.text[:n]), int64(b.mtype), err
	}
	return msgReceiveLarge(id, buf, mtype, flags)
}

//go:noinline
func msgReceiveLarge(id int32, buf []byte, mtype int64, flags int) (n int, got int64, err error) {
	if len(buf) > len(msgLarge{}.text) {
		const long = int(unsafe.Sizeof(int(0)))
		b := make([]int, 1+(len(buf)+long-1)/long)
		n, err = msgReceive(id, unsafe.Pointer(&b[0]), len(buf), mtype, flags)
		return copy(buf, unsafe.Slice((*byte)(unsafe.Pointer(&b[1])), n)), int64(b[0]), err
	}
	var b msgLarge
	n, err = msgReceive(id, unsafe.Pointer(&b), len(buf), mtype, flags)
	return copy(buf, b.text[:n]), int64(b.mtype), err
}

func msgReceive(id int32, b unsafe.Pointer, n int, mtype int64, flags int) (int, error) {
	r, e := msgrcv(uintptr(id), b, uintptr(n), uintptr(mtype), uintptr(flags))
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

// MsgStat is msgctl(2) with MsgStatID, MsgStatIdx or MsgStatAny. The last two
// take an index, and a whole id as well: the kernel looks at its index bits.
func MsgStat(id int32, cmd int) (MsgStatus, error) {
	var k msqid64
	r, e := msgctl(uintptr(id), uintptr(cmd), unsafe.Pointer(&k))
	if e != 0 {
		return MsgStatus{}, e
	}
	s := k.status()
	s.Index = int32(r)
	return s, nil
}

// MsgSet is msgctl(2) with IPC_SET of the four fields that it looks at.
func MsgSet(id int32, uid, gid, mode uint32, qbytes uint64) error {
	k := newMsqid64(uid, gid, mode, qbytes)
	_, e := msgctl(uintptr(id), MsgChange, unsafe.Pointer(&k))
	return msgErr(e)
}

// MsgRemoveID is msgctl(2) with IPC_RMID.
func MsgRemoveID(id int32) error {
	_, e := msgctl(uintptr(id), MsgRemove, nil)
	return msgErr(e)
}

// MsgLimits is msgctl(2) with MsgInfoIPC or MsgInfoMSG.
func MsgLimits(cmd int) (MsgInfo, error) {
	var i MsgInfo
	r, e := msgctl(0, uintptr(cmd), unsafe.Pointer(&i))
	i.Index = int32(r)
	return i, msgErr(e)
}

func msgErr(e unix.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}
