package stage

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// session leaves the parent's terminal, its keys and its umask. A kernel
// without keys, or a container that forbids them, has none to inherit.
func session(*Order) error {
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("setsid: %w", err)
	}
	_, _ = unix.KeyctlJoinSessionKeyring("")
	unix.Umask(0o077)
	return nil
}

// mountPoint is any directory that is sure to exist: the stage itself was
// started through /proc/self/fd. What lies beneath is hidden and then gone.
const mountPoint = "/proc"

// emptyRoot makes a read-only tmpfs, empty but for what the order names, the
// root of this mount namespace and detaches everything that was mounted before. pivot_root(".", ".") stacks
// the old root on the new one, where umount finds it (pivot_root(2), NOTES).
func emptyRoot(o *Order) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount of / as private: %w", err)
	}
	if err := unix.Mount("sallyport", mountPoint, "tmpfs", flags, fmt.Sprintf("size=64k,nr_inodes=%d,mode=0555", 2+inodesPerEntry*len(o.ReadOnly)+1)); err != nil {
		return fmt.Errorf("mount of an empty tmpfs: %w", err)
	}
	if err := unix.Chdir(mountPoint); err != nil {
		return fmt.Errorf("chdir to the empty tmpfs: %w", err)
	}
	if err := expose(o.ReadOnly); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("umount of the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("chdir to the new root: %w", err)
	}
	if o.Notify {
		if err := bindNotify(o); err != nil {
			return fmt.Errorf("socket at %s: %w", Notify, err)
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY|flags, ""); err != nil {
		return fmt.Errorf("remount of the root read-only: %w", err)
	}
	return nil
}
