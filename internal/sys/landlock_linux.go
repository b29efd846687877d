package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LandlockVersion asks for the ABI of Landlock, 1 or more (landlock(7)). ENOSYS:
// built without it; EOPNOTSUPP: not among the security modules of this boot.
func LandlockVersion() (int, error) {
	abi, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return int(abi), launchError("landlock_create_ruleset", e)
}

// LandlockRuleset makes a ruleset that handles these rights and returns its
// descriptor, which is close-on-exec and the caller's. What the kernel does not
// know must be 0: E2BIG and EINVAL say that it is not.
func LandlockRuleset(fs, net, scoped uint64) (int, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: fs, Handled_access_net: net, Scoped: scoped}
	fd, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	runtime.KeepAlive(&attr)
	return int(fd), launchError("landlock_create_ruleset", e)
}

// LandlockAllow adds rights beneath the directory, or on the file, open at fd.
func LandlockAllow(ruleset, fd int, rights uint64) error {
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)} // packed in C: the first 12 bytes
	_, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	runtime.KeepAlive(&attr)
	return launchError("landlock_add_rule", e)
}

// LandlockRestrict puts the calling thread alone under the ruleset, for good.
// The caller has locked its thread and set no_new_privs.
func LandlockRestrict(ruleset int) error {
	_, _, e := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0)
	return launchError("landlock_restrict_self", e)
}
