package main

import "golang.org/x/sys/unix"

var startCalls = []uint32{unix.SYS_ARCH_PRCTL}
