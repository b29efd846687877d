// Command hostile is a worker that does, some time after it is ready, the one
// forbidden thing that its setting "do" names. It runs in tests only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/worker"
)

const channel = 3

// other is a process that exists and is not ours.
const other = 1

// tricks are what it can do. One that comes back returns what it got.
var tricks = map[string]func(*worker.Worker) error{
	"execve": func(*worker.Worker) error {
		return unix.Exec("/bin/sh", []string{"sh"}, nil)
	},
	"execveat-1000": func(*worker.Worker) error { return execveat(1000) },
	"execveat-fd": func(w *worker.Worker) error {
		f, err := w.File("fridge")
		if err != nil {
			return err
		}
		return execveat(int(f.Fd()))
	},
	"openat": func(*worker.Worker) error {
		_, err := unix.Openat(unix.AT_FDCWD, "/etc/shadow", unix.O_RDONLY, 0)
		return err
	},
	"socket": func(*worker.Worker) error {
		_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		return err
	},
	"kill": func(*worker.Worker) error { return unix.Kill(other, unix.SIGKILL) },
	"death-signal": func(*worker.Worker) error {
		return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	},
	"fork": func(*worker.Worker) error {
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		if pid == 0 {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		return nil
	},
	"ptrace":     func(*worker.Worker) error { return unix.PtraceAttach(other) },
	"rubbish":    func(*worker.Worker) error { return say([]byte("this is no frame at all, not even nearly"), nil) },
	"huge":       func(*worker.Worker) error { return say(make([]byte, 4096), nil) },
	"descriptor": func(*worker.Worker) error { return say([]byte{1}, unix.UnixRights(0)) },
	// Not hostile: it says that its device is gone, and with the new grant of it
	// sends a value that the device never has.
	"lost": func(w *worker.Worker) error {
		if err := w.Lost("fridge"); err != nil {
			return err
		}
		fridge, err := w.Attr("fridge")
		if err != nil {
			return err
		}
		for _, err = fridge.Read(); errors.Is(err, worker.ErrLost); _, err = fridge.Read() {
			time.Sleep(time.Millisecond)
		}
		return errors.Join(err, w.Reading("fridge", 4242))
	},
	"silence": func(*worker.Worker) error {
		return unix.Kill(unix.Getpid(), unix.SIGSTOP)
	},
}

// execveat by the number that the launch used, or by a granted descriptor. The
// path is a null pointer: a call that got past the filter would come back with
// EFAULT, and the test would see that.
func execveat(fd int) error {
	if _, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), 0, 0, 0, unix.AT_EMPTY_PATH, 0); errno != 0 {
		return errno
	}
	return nil
}

// say writes bytes on the channel behind the SDK's back.
func say(record, control []byte) error { return unix.Sendmsg(channel, record, control, nil, 0) }

func main() {
	worker.Run(func(ctx context.Context, w *worker.Worker) error {
		do := w.Setting("do")
		trick, known := tricks[do]
		if !known {
			return fmt.Errorf("setting do = %q is none of the tricks", do)
		}
		if err := w.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.Duration("after", 200*time.Millisecond)):
		}
		fmt.Fprintf(os.Stderr, "%s came back: %v\n", do, trick(w))
		<-ctx.Done()
		return nil
	})
}
