package stage

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"sallyport/internal/seccomp/pidpin"
	"sallyport/internal/sys"
)

// steps is the launch in its order. The order matters: mounts need the
// privileges, the limits come after the descriptors above them, a change of ids
// clears the parent-death signal, and after the filter nothing can be done.
var steps = []struct {
	name string
	do   func(*Order) error
}{
	{"session", session},
	{"root", emptyRoot},
	{"executable", executable},
	{"rules", rules},
	{"limits", limits},
	{"privileges", privileges},
	{"parent", parent},
	{"restrict", restrict},
	{"exec", exec},
}

// Run is the whole stage. It returns only when a step failed, with the exit
// code; the parent has the reason in words then.
func Run() int {
	runtime.LockOSThread()
	ownTable()
	unix.CloseOnExec(ReportFD)
	order, err := readOrder(OrderFD)
	if err != nil {
		return report("order", err)
	}
	for _, s := range steps {
		if err := s.do(order); err != nil {
			return report(s.name, err)
		}
	}
	return report("exec", fmt.Errorf("came back without an error"))
}

// ownTable gives this thread a descriptor table of its own. One that the runtime's
// threads share grows only after a grace period of RCU, which takes milliseconds
// (expand_fdtable, fs/file.c), and ExecFD is far above its end. The parent looks
// into the table of the first thread, so another one goes on with the shared one;
// the exec leaves but this thread's.
func ownTable() {
	if unix.Gettid() == unix.Getpid() {
		_ = unix.Unshare(unix.CLONE_FILES) // without it, it is as slow as before
	}
}

func report(step string, err error) int {
	say([]byte(fmt.Sprintf("stage, step %s: %v", step, err)))
	return 1
}

// say writes to the report pipe. When nobody reads there is nobody to tell.
func say(text []byte) {
	for {
		_, err := unix.Write(ReportFD, text)
		if err != unix.EINTR {
			return
		}
	}
}

// exec loads the filter and executes the worker.
func exec(o *Order) error {
	if err := unix.Close(ListenerFD); err != nil {
		return fmt.Errorf("close of the descriptor that the listener takes: %w", err)
	}
	// The id is known here for the first time; exec keeps it.
	filter := pidpin.Pin(o.Filter, unix.Getpid())
	return sys.SeccompExec(filter, ExecFD, o.Args, o.Env, func() { say([]byte{Ready}) })
}
