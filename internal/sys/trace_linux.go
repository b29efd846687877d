package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SeccompFilterSize is the most that SeccompFilterOf writes: BPF_MAXINSNS
// instructions of struct sock_filter.
const SeccompFilterSize = seccompMaxFilter * seccompInstruction

const ptraceSeccompGetFilter = 0x420c // linux/ptrace.h

// SeccompFilterOf copies one filter of a thread that the calling thread has
// stopped by ptrace(2) into buf and returns its length in bytes. Filters are
// counted from the first that was loaded, 0. buf has SeccompFilterSize bytes.
//
// EACCES: the caller has no CAP_SYS_ADMIN in the first user namespace, or runs
// under a filter itself. ENOENT: there are not so many. EINVAL: the thread has
// no filter. EIO: a kernel without CONFIG_CHECKPOINT_RESTORE.
func SeccompFilterOf(tid, index int, buf *[SeccompFilterSize]byte) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_PTRACE, ptraceSeccompGetFilter, uintptr(tid), uintptr(index), uintptr(unsafe.Pointer(buf)), 0, 0)
	runtime.KeepAlive(buf)
	return int(n) * seccompInstruction, launchError("ptrace PTRACE_SECCOMP_GET_FILTER", e)
}

// stopInfo is the part of siginfo_t that waitid(2) fills. The union after the
// first three words is aligned like a pointer.
type stopInfo struct {
	signo, errno, code int32
	_                  [0]uintptr
	pid, uid           int32
	status             int32
	_                  [128]byte // at least the rest
}

// TraceStop says whether a thread that the calling thread traces has stopped,
// and at what: the signal in the low byte, a PTRACE_EVENT above it. It does not
// wait, and never takes the end of a process from whoever waits for that.
// ECHILD: the thread is gone.
func TraceStop(tid int) (stopped bool, status int, err error) {
	var info stopInfo
	const options = unix.WSTOPPED | unix.WNOHANG | unix.WALL
	_, _, e := unix.RawSyscall6(unix.SYS_WAITID, unix.P_PID, uintptr(tid), uintptr(unsafe.Pointer(&info)), options, 0, 0)
	runtime.KeepAlive(&info)
	if e != 0 {
		return false, 0, launchError("waitid", e)
	}
	return info.signo != 0, int(info.status), nil
}
