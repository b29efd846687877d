package stage

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// The securebits of linux/securebits.h, each followed by its lock. KEEP_CAPS
// stays off and is locked so.
const (
	secNoRoot            = 1<<0 | 1<<1
	secNoSetuidFixup     = 1<<2 | 1<<3
	secKeepCapsLocked    = 1 << 5
	secNoCapAmbientRaise = 1<<6 | 1<<7
	secAll               = secNoRoot | secNoSetuidFixup | secKeepCapsLocked | secNoCapAmbientRaise
)

const maxCapability = 63 // the sets have 64 bits

// privileges gives everything away. Every call here acts on the calling thread
// alone; the exec makes it the only one.
func privileges(o *Order) error {
	for c := uintptr(0); c <= maxCapability; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if err == unix.EINVAL && c > 0 {
			break // above the kernel's last capability
		}
		if err != nil {
			return fmt.Errorf("capability %d of the bounding set: prctl: %w (CAP_SETPCAP is needed)", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient capabilities: prctl: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, secAll, 0, 0, 0); err != nil {
		return fmt.Errorf("securebits: prctl: %w", err)
	}
	if !o.SharedID {
		if err := sys.LaunchDropGroups(); err != nil {
			return err
		}
		if err := sys.LaunchSetGID(o.GID); err != nil {
			return fmt.Errorf("to %d: %w", o.GID, err)
		}
		if err := sys.LaunchSetUID(o.UID); err != nil {
			return fmt.Errorf("to %d: %w", o.UID, err)
		}
	}
	// With NO_SETUID_FIXUP the change of ids has cleared nothing.
	if err := sys.LaunchSetCaps(sys.LaunchCaps{}); err != nil {
		return err
	}
	left, err := sys.LaunchGetCaps()
	if err != nil {
		return err
	}
	if left != (sys.LaunchCaps{}) {
		return fmt.Errorf("capset went well, and yet capabilities are left: %+v", left)
	}
	return nil
}

// parent ties the worker's life to the supervisor's, after the change of ids,
// which clears the death signal (prctl(2)), and then looks whether the
// supervisor was gone before that: its end of the channel is closed then.
func parent(*Order) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("parent-death signal: prctl: %w", err)
	}
	ch := []unix.PollFd{{Fd: ChannelFD}}
	for {
		_, err := unix.Poll(ch, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("channel: poll: %w", err)
		}
		break
	}
	if ch[0].Revents != 0 {
		return errors.New("the supervisor's end of the channel is closed")
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: prctl: %w", err)
	}
	// No memory both writable and executable, now or after the exec, where the
	// kernel has it (Linux 6.3, not on 32-bit arm).
	_ = unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
	return nil
}
