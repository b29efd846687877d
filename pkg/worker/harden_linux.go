package worker

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// harden closes what a worker has no use for, before anything of the plugin or
// of the supervisor is looked at.
func harden() error {
	// A dumpable process can be traced, and its memory and descriptors read
	// through /proc, by any other process of the same uid (ptrace(2)).
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl(PR_SET_DUMPABLE)", err)
	}
	// A bell whose reader is gone, or a log pipe that nobody reads any more, is
	// an EPIPE to be handled and no reason to die.
	signal.Ignore(unix.SIGPIPE)
	return nil
}
