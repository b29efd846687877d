package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SeccompNotice is struct seccomp_notif with its seccomp_data: 80 bytes, the
// same on every architecture, no padding.
type SeccompNotice struct {
	ID    uint64
	PID   uint32 // of the calling thread, in the receiver's pid namespace
	Flags uint32
	Nr    int32
	Arch  uint32 // AUDIT_ARCH_*
	IP    uint64
	Args  [6]uint64
}

type seccompResp struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

const (
	// SeccompNoticeSize and SeccompAnswerSize are what SeccompNoticeSizes
	// must say for the two calls below to be right.
	SeccompNoticeSize = 80
	SeccompAnswerSize = 24

	seccompFlagContinue = 1

	// The numbers are built from the sizes, equal on amd64, arm64 and arm.
	seccompNotifRecv    = 0xc0502100
	seccompNotifSend    = 0xc0182101
	seccompNotifIDValid = 0x40082102
)

// On every architecture the structures have the kernel's size, or this does
// not compile.
var (
	_ [SeccompNoticeSize]byte = [unsafe.Sizeof(SeccompNotice{})]byte{}
	_ [SeccompAnswerSize]byte = [unsafe.Sizeof(seccompResp{})]byte{}
)

// SeccompReceive takes the next notice from a listener. It can block: poll
// first. ENOENT means that the call that was announced is gone (its thread
// died or took a signal), EINTR that this thread took one: poll again.
func SeccompReceive(listener int) (SeccompNotice, error) {
	var n SeccompNotice // the kernel refuses a buffer that is not zero
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), seccompNotifRecv, uintptr(unsafe.Pointer(&n)))
	runtime.KeepAlive(&n)
	return n, launchError("ioctl SECCOMP_NOTIF_RECV", e)
}

// SeccompContinue lets the kernel run the announced call as it stands. ENOENT
// means that the call is gone; if it is restarted it is announced again.
func SeccompContinue(listener int, id uint64) error {
	return seccompSend(listener, &seccompResp{id: id, flags: seccompFlagContinue})
}

// SeccompAnswer makes the announced call fail with errno.
func SeccompAnswer(listener int, id uint64, errno int32) error {
	return seccompSend(listener, &seccompResp{id: id, err: -errno})
}

// SeccompPending says whether the announced call still waits for its answer.
func SeccompPending(listener int, id uint64) bool {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), seccompNotifIDValid, uintptr(unsafe.Pointer(&id)))
	runtime.KeepAlive(&id)
	return e == 0
}

func seccompSend(listener int, r *seccompResp) error {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), seccompNotifSend, uintptr(unsafe.Pointer(r)))
	runtime.KeepAlive(r)
	return launchError("ioctl SECCOMP_NOTIF_SEND", e)
}
