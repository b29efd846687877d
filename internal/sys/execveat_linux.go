package sys

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Execveat executes the file open at exe, execveat(2) with AT_EMPTY_PATH, by a
// raw call: no limit is restored and no lock of the runtime taken, because the
// calling process lives under a filter. It returns only an error.
func Execveat(exe int, argv, envv []string) error {
	argp, err := seccompPointers(argv)
	if err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	envp, err := seccompPointers(envv)
	if err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	empty := new(byte)
	_, _, e := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(exe), uintptr(unsafe.Pointer(empty)),
		uintptr(unsafe.Pointer(&argp[0])), uintptr(unsafe.Pointer(&envp[0])), unix.AT_EMPTY_PATH, 0)
	runtime.KeepAlive(empty)
	runtime.KeepAlive(argp)
	runtime.KeepAlive(envp)
	return launchError("execveat", e)
}
