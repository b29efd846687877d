package sys

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rlimit64 is struct rlimit64 of prlimit64(2): the same on every architecture.
type rlimit64 struct{ cur, max uint64 }

// LaunchLimit sets the soft and the hard limit of this process by the raw
// prlimit64(2). The wrappers of syscall and x/sys/unix remember RLIMIT_NOFILE
// and bring it back in a later exec; this one leaves no trace in the runtime.
func LaunchLimit(resource int, cur, max uint64) error {
	lim := rlimit64{cur, max}
	_, _, e := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(resource), uintptr(unsafe.Pointer(&lim)), 0, 0, 0)
	runtime.KeepAlive(&lim)
	return launchError("prlimit64", e)
}

// LaunchLimits reads the soft and the hard limit of this process.
func LaunchLimits(resource int) (cur, max uint64, err error) {
	var lim rlimit64
	_, _, e := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(resource), 0, uintptr(unsafe.Pointer(&lim)), 0, 0)
	runtime.KeepAlive(&lim)
	return lim.cur, lim.max, launchError("prlimit64", e)
}

// LaunchDropGroups empties the supplementary groups of the calling thread
// alone. The caller has locked its thread.
func LaunchDropGroups() error {
	_, _, e := unix.RawSyscall(launchSetgroups, 0, 0, 0)
	return launchError("setgroups", e)
}

// LaunchSetGID sets the real, effective and saved group id of the calling
// thread alone.
func LaunchSetGID(gid uint32) error {
	_, _, e := unix.RawSyscall(launchSetresgid, uintptr(gid), uintptr(gid), uintptr(gid))
	return launchError("setresgid", e)
}

// LaunchSetUID sets the real, effective and saved user id of the calling
// thread alone.
func LaunchSetUID(uid uint32) error {
	_, _, e := unix.RawSyscall(launchSetresuid, uintptr(uid), uintptr(uid), uintptr(uid))
	return launchError("setresuid", e)
}

// LaunchCaps are the three capability sets of a thread, a bit a capability.
type LaunchCaps struct{ Effective, Permitted, Inheritable uint64 }

// LaunchSetCaps sets the three capability sets of the calling thread.
func LaunchSetCaps(c LaunchCaps) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(c.Effective), Permitted: uint32(c.Permitted), Inheritable: uint32(c.Inheritable)},
		{Effective: uint32(c.Effective >> 32), Permitted: uint32(c.Permitted >> 32), Inheritable: uint32(c.Inheritable >> 32)},
	}
	_, _, e := unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&hdr)
	runtime.KeepAlive(&data)
	return launchError("capset", e)
}

// LaunchGetCaps reads the three capability sets of the calling thread.
func LaunchGetCaps() (LaunchCaps, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	_, _, e := unix.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&hdr)
	runtime.KeepAlive(&data)
	word := func(low, high uint32) uint64 { return uint64(high)<<32 | uint64(low) }
	return LaunchCaps{
		Effective:   word(data[0].Effective, data[1].Effective),
		Permitted:   word(data[0].Permitted, data[1].Permitted),
		Inheritable: word(data[0].Inheritable, data[1].Inheritable),
	}, launchError("capget", e)
}

func launchError(call string, e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return os.NewSyscallError(call, e)
}
