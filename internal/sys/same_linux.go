package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

const kcmpFile = 0 // KCMP_FILE of linux/kcmp.h

// SameByQuery asks fcntl(F_DUPFD_QUERY), Linux 6.10, whether a and b are
// descriptors of one open file description. Both belong to the caller. Older
// kernels say EINVAL.
func SameByQuery(a, b int) (bool, error) {
	same, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_QUERY, b)
	return same == 1, os.NewSyscallError("fcntl(F_DUPFD_QUERY)", err)
}

// SameByKcmp asks kcmp(2) the same question. It is ENOSYS where the kernel was
// built without CONFIG_KCMP.
func SameByKcmp(a, b int) (bool, error) {
	self := uintptr(unix.Getpid())
	order, _, e := unix.RawSyscall6(unix.SYS_KCMP, self, self, kcmpFile, uintptr(a), uintptr(b), 0)
	if e != 0 {
		return false, os.NewSyscallError("kcmp", e)
	}
	return order == 0, nil
}
