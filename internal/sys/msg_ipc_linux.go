//go:build linux && (386 || s390x || ppc64 || ppc64le)

package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The four calls got numbers of their own here with Linux 5.1. An older kernel
// answers ENOSYS, and then each goes through the multiplexer ipc(2), for which
// these are the codes of the kernel's linux/ipc.h. Where ENOSYS means something
// else (MSG_COPY that was not built in), the multiplexer says it again.
const (
	ipcMsgsnd = 11
	ipcMsgrcv = 12
	ipcMsgget = 13
	ipcMsgctl = 14

	// ipc64 asks the multiplexer for the layout with 32-bit ids. The direct
	// number needs no flag.
	ipc64 = 0x100
)

// ipcKludge holds the two arguments of msgrcv that do not fit beside the others.
// Version 0 of the call is the one that s390x has as well (kernel/syscall.c).
type ipcKludge struct {
	msgp  unsafe.Pointer
	mtype uintptr
}

func msgget(key, flags uintptr) (uintptr, unix.Errno) {
	r, _, e := unix.RawSyscall(unix.SYS_MSGGET, key, flags, 0)
	if e == unix.ENOSYS {
		r, _, e = unix.RawSyscall6(unix.SYS_IPC, ipcMsgget, key, flags, 0, 0, 0)
	}
	return r, e
}

func msgsnd(id uintptr, b unsafe.Pointer, n, flags uintptr) unix.Errno {
	if flags&MsgNoWait != 0 {
		_, _, e := unix.RawSyscall6(unix.SYS_MSGSND, id, uintptr(b), n, flags, 0, 0)
		if e == unix.ENOSYS {
			_, _, e = unix.RawSyscall6(unix.SYS_IPC, ipcMsgsnd, id, n, flags, uintptr(b), 0)
		}
		return e
	}
	_, _, e := unix.Syscall6(unix.SYS_MSGSND, id, uintptr(b), n, flags, 0, 0)
	if e == unix.ENOSYS {
		_, _, e = unix.Syscall6(unix.SYS_IPC, ipcMsgsnd, id, n, flags, uintptr(b), 0)
	}
	return e
}

func msgrcv(id uintptr, b unsafe.Pointer, n, mtype, flags uintptr) (r uintptr, e unix.Errno) {
	if flags&MsgNoWait != 0 {
		r, _, e = unix.RawSyscall6(unix.SYS_MSGRCV, id, uintptr(b), n, mtype, flags, 0)
	} else {
		r, _, e = unix.Syscall6(unix.SYS_MSGRCV, id, uintptr(b), n, mtype, flags, 0)
	}
	if e != unix.ENOSYS {
		return r, e
	}
	k := ipcKludge{msgp: b, mtype: mtype}
	if flags&MsgNoWait != 0 {
		r, _, e = unix.RawSyscall6(unix.SYS_IPC, ipcMsgrcv, id, n, flags, uintptr(unsafe.Pointer(&k)), 0)
	} else {
		r, _, e = unix.Syscall6(unix.SYS_IPC, ipcMsgrcv, id, n, flags, uintptr(unsafe.Pointer(&k)), 0)
	}
	runtime.KeepAlive(&k)
	return r, e
}

func msgctl(id, cmd uintptr, b unsafe.Pointer) (uintptr, unix.Errno) {
	r, _, e := unix.RawSyscall(unix.SYS_MSGCTL, id, cmd, uintptr(b))
	if e == unix.ENOSYS {
		r, _, e = unix.RawSyscall6(unix.SYS_IPC, ipcMsgctl, id, cmd|ipc64, 0, uintptr(b), 0)
	}
	return r, e
}
