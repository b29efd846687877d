//go:build linux && (386 || arm)

package sys

import "math"

// msqid64 is struct msqid64_ds of asm-generic/msgbuf.h on 32 bit, where the
// mode is 16 bits wide and each time has a word for its upper half: 88 bytes.
type msqid64 struct {
	key                  int32
	uid, gid, cuid, cgid uint32
	mode                 uint16
	_                    uint16
	seq                  uint16
	_                    uint16
	_                    [2]uint32
	stime, stimeHigh     uint32
	rtime, rtimeHigh     uint32
	ctime, ctimeHigh     uint32
	cbytes, qnum, qbytes uint32
	lspid, lrpid         int32
	_                    [2]uint32
}

func newMsqid64(uid, gid, mode uint32, qbytes uint64) msqid64 {
	return msqid64{uid: uid, gid: gid, mode: uint16(mode), qbytes: uint32(min(qbytes, math.MaxUint32))}
}

func (k *msqid64) status() MsgStatus {
	seconds := func(low, high uint32) int64 { return int64(high)<<32 | int64(low) }
	return MsgStatus{
		Key: k.key, UID: k.uid, GID: k.gid, CUID: k.cuid, CGID: k.cgid, Mode: uint32(k.mode),
		Stime: seconds(k.stime, k.stimeHigh), Rtime: seconds(k.rtime, k.rtimeHigh), Ctime: seconds(k.ctime, k.ctimeHigh),
		Cbytes: uint64(k.cbytes), Qnum: uint64(k.qnum), Qbytes: uint64(k.qbytes), Lspid: k.lspid, Lrpid: k.lrpid,
	}
}
