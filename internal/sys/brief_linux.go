package sys

import (
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this file are made without telling Go's scheduler, which saves
// it the taking away and giving back of a processor. They are for what is over
// within microseconds, or within a bound that the caller sets and answers for:
// for so long no other goroutine runs in its place.

// BriefPoll is ppoll(2) of one descriptor, for at most wait. It returns the
// events that are there; none when the time is over, or a signal came.
func BriefPoll(n int, events int16, wait time.Duration) (int16, error) {
	fds := [1]unix.PollFd{{Fd: int32(n), Events: events}}
	timeout := unix.NsecToTimespec(int64(wait))
	_, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	runtime.KeepAlive(&fds)
	runtime.KeepAlive(&timeout)
	if e == unix.EINTR {
		return 0, nil
	}
	if e != 0 {
		return 0, os.NewSyscallError("ppoll", e)
	}
	return fds[0].Revents, nil
}

// BriefFcntl is fcntl(2) for the commands that look at, or change, the
// descriptor itself and wait for nothing: F_GETFL, F_SETFL, F_DUPFD_CLOEXEC.
func BriefFcntl(n, cmd, arg int) (int, error) {
	r, _, e := unix.RawSyscall(fcntlCall, uintptr(n), uintptr(cmd), uintptr(arg))
	if e != 0 {
		return -1, os.NewSyscallError(fcntlNames[cmd], e)
	}
	return int(r), nil
}

var fcntlNames = map[int]string{
	unix.F_GETFL: "fcntl(F_GETFL)", unix.F_SETFL: "fcntl(F_SETFL)", unix.F_DUPFD_CLOEXEC: "fcntl(F_DUPFD_CLOEXEC)",
}

// BriefClosePipe closes an end of a pipe, of which close(2) does not wait.
func BriefClosePipe(n int) error {
	_, _, e := unix.RawSyscall(unix.SYS_CLOSE, uintptr(n), 0, 0)
	if e != 0 {
		return os.NewSyscallError("close", e)
	}
	return nil
}
