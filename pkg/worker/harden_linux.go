package worker

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"golang.org/x/sys/unix"
)

// channelFD is where the launch stage leaves the worker's end of the channel.
const channelFD = 3

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

// channel takes descriptor 3. The environment must name it too, so that a
// program started by hand does not take somebody else's descriptor for it; no
// further look is taken at it, as the filter admits neither fstat nor
// getsockopt, and HELLO finds out.
func channel() (*os.File, error) {
	if v := os.Getenv("SALLYPORT_CHANNEL"); v != strconv.Itoa(channelFD) {
		return nil, fmt.Errorf("SALLYPORT_CHANNEL is %q, not %d: this program is a Sallyport worker and is started by the supervisor; try: sallyport demo", v, channelFD)
	}
	unix.CloseOnExec(channelFD)
	return os.NewFile(channelFD, "channel"), nil
}
