//go:build linux && (386 || arm || mips || mipsle)

package sys

import "golang.org/x/sys/unix"

const fcntlCall = unix.SYS_FCNTL64
