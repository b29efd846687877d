package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ScmSend makes one sendmsg(2) of data with the control messages in control
// (nil for none) to the peer of a connected socket. Data must not be empty: an
// empty record looks like the end of the channel to its receiver. The number of
// bytes that were sent is returned; on SOCK_SEQPACKET it is all of them.
func ScmSend(fd int, data, control []byte, flags int) (int, error) {
	var iov unix.Iovec
	var msg unix.Msghdr
	scmFill(&msg, &iov, data, control)
	var n uintptr
	var errno unix.Errno
	if flags&unix.MSG_DONTWAIT != 0 { // the scheduler need not know, as in MsgSend
		n, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), uintptr(flags))
	} else {
		n, _, errno = unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), uintptr(flags))
	}
	runtime.KeepAlive(data)
	runtime.KeepAlive(control)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// ScmReceive makes one recvmsg(2) into data and control. It returns the number
// of data bytes, the number of control bytes, and msg_flags, in which MSG_TRUNC
// and MSG_CTRUNC tell of a cut. Descriptors in control are the caller's from
// now on, whatever else the call said.
func ScmReceive(fd int, data, control []byte, flags int) (n, controlLen, msgFlags int, err error) {
	var iov unix.Iovec
	var msg unix.Msghdr
	scmFill(&msg, &iov, data, control)
	var r uintptr
	var errno unix.Errno
	if flags&unix.MSG_DONTWAIT != 0 {
		r, _, errno = unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), uintptr(flags))
	} else {
		r, _, errno = unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), uintptr(flags))
	}
	runtime.KeepAlive(data)
	runtime.KeepAlive(control)
	if errno != 0 {
		return 0, 0, 0, errno
	}
	return int(r), int(msg.Controllen), int(msg.Flags), nil
}

func scmFill(msg *unix.Msghdr, iov *unix.Iovec, data, control []byte) {
	if len(data) > 0 {
		iov.Base = &data[0]
		iov.SetLen(len(data))
	}
	msg.Iov = iov
	msg.SetIovlen(1)
	if len(control) > 0 {
		msg.Control = &control[0]
		msg.SetControllen(len(control))
	}
}
