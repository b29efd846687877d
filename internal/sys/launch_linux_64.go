//go:build linux && (amd64 || arm64 || riscv64 || loong64 || s390x || ppc64 || ppc64le)

package sys

import "golang.org/x/sys/unix"

const (
	launchSetgroups = unix.SYS_SETGROUPS
	launchSetresgid = unix.SYS_SETRESGID
	launchSetresuid = unix.SYS_SETRESUID
)
