//go:build linux && !386 && !s390x && !ppc64 && !ppc64le

package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The four calls where they always had numbers of their own. With MsgNoWait the
// scheduler is not told of a send or a receive: it cannot block.

// msgIPC64 is IPC_64 of the kernel's ipc/util.h. Number 304 of 32-bit arm
// (arch/arm/tools/syscall.tbl) is sys_old_msgctl, which answers in a layout with
// 16-bit user ids unless the command carries this flag. The others have one
// layout only, and refuse it.
func msgIPC64() uintptr {
	if runtime.GOARCH == "arm" {
		return 0x100
	}
	return 0
}

func msgget(key, flags uintptr) (uintptr, unix.Errno) {
	r, _, e := unix.RawSyscall(unix.SYS_MSGGET, key, flags, 0)
	return r, e
}

func msgsnd(id uintptr, b unsafe.Pointer, n, flags uintptr) unix.Errno {
	if flags&MsgNoWait != 0 {
		_, _, e := unix.RawSyscall6(unix.SYS_MSGSND, id, uintptr(b), n, flags, 0, 0)
		return e
	}
	_, _, e := unix.Syscall6(unix.SYS_MSGSND, id, uintptr(b), n, flags, 0, 0)
	return e
}

func msgrcv(id uintptr, b unsafe.Pointer, n, mtype, flags uintptr) (uintptr, unix.Errno) {
	if flags&MsgNoWait != 0 {
		r, _, e := unix.RawSyscall6(unix.SYS_MSGRCV, id, uintptr(b), n, mtype, flags, 0)
		return r, e
	}
	r, _, e := unix.Syscall6(unix.SYS_MSGRCV, id, uintptr(b), n, mtype, flags, 0)
	return r, e
}

func msgctl(id, cmd uintptr, b unsafe.Pointer) (uintptr, unix.Errno) {
	r, _, e := unix.RawSyscall(unix.SYS_MSGCTL, id, cmd|msgIPC64(), uintptr(b))
	return r, e
}
