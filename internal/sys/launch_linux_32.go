//go:build linux && (386 || arm)

package sys

import "golang.org/x/sys/unix"

// The plain calls of 32-bit machines cut ids to 16 bits.
const (
	launchSetgroups = unix.SYS_SETGROUPS32
	launchSetresgid = unix.SYS_SETRESGID32
	launchSetresuid = unix.SYS_SETRESUID32
)
