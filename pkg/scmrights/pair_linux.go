package scmrights

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pair makes a channel, a socketpair(2) of type SOCK_SEQPACKET, both ends
// close-on-exec and the caller's. The parent's end is non-blocking, asks for
// the sender's credentials with every record (SO_PASSCRED), and refuses
// descriptors where the kernel can (SO_PASSRIGHTS off, Linux 6.16): the
// worker's sendmsg then fails with EPERM. The worker's end is blocking, as
// programs in other languages expect. After the worker was started the parent
// must close its copy of the worker's end, else it never sees the channel end.
func Pair() (parent, worker *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, &Error{Op: "pair", Err: os.NewSyscallError("socketpair", err)}
	}
	err = os.NewSyscallError("fcntl(F_SETFL)", unix.SetNonblock(pair[0], true))
	if err == nil {
		err = os.NewSyscallError("setsockopt(SO_PASSCRED)", unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	}
	if err != nil {
		_ = unix.Close(pair[0])
		_ = unix.Close(pair[1])
		return nil, nil, &Error{Op: "pair", Err: err}
	}
	// Older kernels have no such option; there the reader finds, closes and
	// punishes what was sent.
	_ = unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0)
	return os.NewFile(uintptr(pair[0]), "channel (parent)"), os.NewFile(uintptr(pair[1]), "channel (worker)"), nil
}

// ChannelVariable is the environment variable in which a worker finds the
// number of its end of the channel.
const ChannelVariable = "SALLYPORT_CHANNEL"

// Inherited returns the worker's end of the channel that this process was
// started with, ready for Attach: non-blocking, close-on-exec, under the number
// it came with. To be called once, before other files are opened.
func Inherited() (*os.File, error) {
	value := os.Getenv(ChannelVariable)
	n, err := strconv.Atoi(value)
	if err != nil || n < 3 {
		return nil, &Error{Op: "inherit", Err: fmt.Errorf("%s=%q names no descriptor: start this program under a supervisor", ChannelVariable, value)}
	}
	ident, err := identify(n)
	if err != nil {
		return nil, &Error{Op: "inherit", Err: fmt.Errorf("descriptor %d of %s: %w", n, ChannelVariable, err)}
	}
	if !KindStream.fits(ident.mode) {
		return nil, &Error{Op: "inherit", Err: errors.New("descriptor " + value + " of " + ChannelVariable + " is not a socket")}
	}
	unix.CloseOnExec(n)
	if err := unix.SetNonblock(n, true); err != nil {
		return nil, &Error{Op: "inherit", Err: os.NewSyscallError("fcntl(F_SETFL)", err)}
	}
	return os.NewFile(uintptr(n), "channel"), nil
}
