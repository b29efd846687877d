package launch

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// Probe says in words what this kernel lacks for a launch, nil when nothing.
// It tries, and believes no version number; a filter around the supervisor (a
// container's) that hides a call counts as a kernel without it.
func Probe() error {
	switch err := sys.SeccompNotifyAvailable(); {
	case errors.Is(err, unix.EOPNOTSUPP):
		return errors.New("this kernel has seccomp filters without user notification (Linux 5.0, CONFIG_SECCOMP_FILTER): no worker can be confined")
	case err != nil:
		return fmt.Errorf("this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER), or a container hides them (docker: --security-opt seccomp=unconfined): no worker can be confined: %w", err)
	}
	notice, answer, err := sys.SeccompNoticeSizes()
	if err != nil {
		return fmt.Errorf("sizes of seccomp notices: %w", err)
	}
	if notice != sys.SeccompNoticeSize || answer != sys.SeccompAnswerSize {
		return fmt.Errorf("this kernel's seccomp notices have %d bytes and its answers %d: this program is made for %d and %d", notice, answer, sys.SeccompNoticeSize, sys.SeccompAnswerSize)
	}
	if err := probeGetfd(); err != nil {
		return fmt.Errorf("this kernel has no pidfd_getfd (Linux 5.6), or a container hides it: a filter's listener cannot be fetched: %w", err)
	}
	if err := unix.CloseRange(math.MaxUint32, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("this kernel has no close_range with CLOSE_RANGE_CLOEXEC (Linux 5.11): the stage cannot close what it inherits: %w", err)
	}
	return probeRoot()
}

// probeRoot looks at the root directory, which every worker's mount namespace
// begins with a copy of: pivot_root(2) wants it to be a mount point, and not the
// one that the kernel itself made.
func probeRoot() error {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, "/", 0, 0, &st)
	const known = unix.STATX_ATTR_MOUNT_ROOT // Linux 5.8
	if err == nil && st.Attributes_mask&known != 0 && st.Attributes&known == 0 {
		return errors.New("the root directory is no mount point, as in a plain chroot, so that no worker can be given another: " +
			"make it one first (mount --bind DIR DIR, then chroot DIR), or use a container")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("the supervisor needs /proc: %w", err)
	}
	initial := false // the last mount of a place is the one that is seen
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == "/" {
			initial = strings.Contains(line, " - rootfs ")
		}
	}
	if initial {
		return errors.New("the root directory is the kernel's own initial one, which no worker can leave: mount another and switch_root(8) to it")
	}
	return nil
}

// probeGetfd fetches a descriptor of this very process.
func probeGetfd() error {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(self)
	fd, err := unix.PidfdGetfd(self, self, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_getfd", err)
	}
	return unix.Close(fd)
}
