package launchtest

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_ARM

var archCalls = []uint32{unix.SYS_MMAP2, unix.SYS_FCNTL64, unix.SYS_FUTEX_TIME64, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETTIME64, 0xf0005, 0xf0002}
