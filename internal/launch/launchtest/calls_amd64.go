package launchtest

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

var archCalls = []uint32{unix.SYS_MMAP, unix.SYS_ARCH_PRCTL}
