//go:build linux && (amd64 || arm64 || riscv64 || loong64 || s390x || ppc64 || ppc64le)

package sys

// msqid64 is struct msqid64_ds of asm-generic/msgbuf.h with the ipc64_perm of
// asm-generic/ipcbuf.h: 120 bytes. s390x and ppc64 have headers of their own that
// place seq elsewhere, and all that is read here at the same offsets.
type msqid64 struct {
	key                        int32
	uid, gid, cuid, cgid, mode uint32
	seq                        uint16
	_                          uint16
	_                          [2]uint64
	stime, rtime, ctime        int64
	cbytes, qnum, qbytes       uint64
	lspid, lrpid               int32
	_                          [2]uint64
}

func newMsqid64(uid, gid, mode uint32, qbytes uint64) msqid64 {
	return msqid64{uid: uid, gid: gid, mode: mode, qbytes: qbytes}
}

func (k *msqid64) status() MsgStatus {
	return MsgStatus{
		Key: k.key, UID: k.uid, GID: k.gid, CUID: k.cuid, CGID: k.cgid, Mode: k.mode,
		Stime: k.stime, Rtime: k.rtime, Ctime: k.ctime,
		Cbytes: k.cbytes, Qnum: k.qnum, Qbytes: k.qbytes, Lspid: k.lspid, Lrpid: k.lrpid,
	}
}
