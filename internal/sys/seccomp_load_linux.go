package sys

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SeccompLoad loads filter, an array of struct sock_filter in native layout, on
// the calling thread alone and returns its listener, which is close-on-exec and
// the caller's. The caller has locked its thread, which can never be unlocked
// again, and has set no_new_privs.
//
// It is for trying a filter. From its return on every call of the thread is
// judged by the filter, the runtime's own included.
func SeccompLoad(filter []byte) (listener int, err error) {
	const setModeFilter, instruction, most = 1, 8, 4096 // linux/seccomp.h, linux/filter.h
	if len(filter) == 0 || len(filter)%instruction != 0 || len(filter) > most*instruction {
		return -1, fmt.Errorf("filter of %d bytes: want 1 to %d instructions of %d bytes", len(filter), most, instruction)
	}
	prog := unix.SockFprog{Len: uint16(len(filter) / instruction), Filter: (*unix.SockFilter)(unsafe.Pointer(&filter[0]))}
	r, _, e := unix.RawSyscall(unix.SYS_SECCOMP, setModeFilter, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	runtime.KeepAlive(&prog)
	if e != 0 {
		return -1, os.NewSyscallError("seccomp", e)
	}
	return int(r), nil
}
