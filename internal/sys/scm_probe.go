package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ScmKcmp is kcmp(2) with KCMP_FILE: whether two descriptors of two processes are
// the same open file description.
func ScmKcmp(pid1, pid2, fd1, fd2 int) (same bool, err error) {
	const file = 0 // KCMP_FILE of linux/kcmp.h
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid1), uintptr(pid2), file, uintptr(fd1), uintptr(fd2), 0)
	if errno != 0 {
		return false, errno
	}
	return r == 0, nil
}

// ScmIoUring is io_uring_setup(2) with one entry: a descriptor that sendmsg(2)
// refuses. Params is a struct io_uring_params.
func ScmIoUring(params *[120]byte) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(params)), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
