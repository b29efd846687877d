package sys

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of seccomp(2) and the action asked for, from linux/seccomp.h.
const (
	seccompSetModeFilter  = 1
	seccompGetActionAvail = 2
	seccompGetNotifSizes  = 3

	seccompRetUserNotif = 0x7fc00000

	seccompInstruction = 8    // sizeof(struct sock_filter)
	seccompMaxFilter   = 4096 // BPF_MAXINSNS
)

// SeccompNotifyAvailable asks the kernel whether a filter may hand a call to
// user space (SECCOMP_RET_USER_NOTIF, since Linux 5.0). ENOSYS or EINVAL: no
// filters at all; EOPNOTSUPP: filters without notices.
func SeccompNotifyAvailable() error {
	action := uint32(seccompRetUserNotif)
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, seccompGetActionAvail, 0, uintptr(unsafe.Pointer(&action)))
	runtime.KeepAlive(&action)
	return launchError("seccomp", e)
}

// SeccompNoticeSizes says how many bytes this kernel writes for a notice and
// reads of an answer. SeccompReceive and SeccompAnswer are made for 80 and 24.
func SeccompNoticeSizes() (notice, answer int, err error) {
	var sizes struct{ notif, resp, data uint16 }
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, seccompGetNotifSizes, 0, uintptr(unsafe.Pointer(&sizes)))
	runtime.KeepAlive(&sizes)
	return int(sizes.notif), int(sizes.resp), launchError("seccomp", e)
}

// seccompFlags adds WAIT_KILLABLE_RECV (Linux 5.19) where the kernel has it:
// a call whose notice was received then waits through signals. Loading a nil
// program tells: EFAULT when the flags are known, EINVAL when they are not.
func seccompFlags() uintptr {
	const all = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, seccompSetModeFilter, all, 0)
	if e == unix.EFAULT {
		return all
	}
	return unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
}

// SeccompExec loads filter (an array of struct sock_filter in native layout)
// on the calling thread with a listener, which takes the lowest free
// descriptor, and executes the file open at exe with nothing in between: the
// filter has to admit no more than the exec itself and what a signal could
// make the runtime do. ready is called last before the two calls.
//
// The caller has locked its thread and set no_new_privs. SeccompExec returns
// only when one of the two calls failed, and names it.
func SeccompExec(filter []byte, exe int, argv, envv []string, ready func()) error {
	if len(filter) == 0 || len(filter)%seccompInstruction != 0 || len(filter) > seccompMaxFilter*seccompInstruction {
		return fmt.Errorf("filter of %d bytes: want 1 to %d instructions of %d bytes", len(filter), seccompMaxFilter, seccompInstruction)
	}
	argp, err := seccompPointers(argv)
	if err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	envp, err := seccompPointers(envv)
	if err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	prog := &unix.SockFprog{
		Len:    uint16(len(filter) / seccompInstruction),
		Filter: (*unix.SockFilter)(unsafe.Pointer(&filter[0])),
	}
	empty := new(byte)
	flags := seccompFlags()
	ready()
	loaded, e := seccompTwoCalls(flags, unsafe.Pointer(prog), uintptr(exe), unsafe.Pointer(empty), unsafe.Pointer(&argp[0]), unsafe.Pointer(&envp[0]))
	runtime.KeepAlive(filter)
	runtime.KeepAlive(argp)
	runtime.KeepAlive(envp)
	if !loaded {
		return launchError("seccomp", e)
	}
	return launchError("execveat", e)
}

// seccompTwoCalls may not grow its stack or allocate: from the first call on
// the thread lives under the filter.
//
//go:nosplit
func seccompTwoCalls(flags uintptr, prog unsafe.Pointer, exe uintptr, empty, argv, envv unsafe.Pointer) (loaded bool, e unix.Errno) {
	_, _, e = unix.RawSyscall(unix.SYS_SECCOMP, seccompSetModeFilter, flags, uintptr(prog))
	if e != 0 {
		return false, e
	}
	_, _, e = unix.RawSyscall6(unix.SYS_EXECVEAT, exe, uintptr(empty), uintptr(argv), uintptr(envv), unix.AT_EMPTY_PATH, 0)
	return true, e
}

func seccompPointers(list []string) ([]*byte, error) {
	pointers := make([]*byte, len(list)+1)
	for i, s := range list {
		p, err := unix.BytePtrFromString(s)
		if err != nil {
			return nil, errors.New("a string holds a zero byte")
		}
		pointers[i] = p
	}
	return pointers, nil
}
