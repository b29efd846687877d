package attest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// Dumps tries whether the kernel would give this process the filters of others,
// which level 4 needs, and says in words why it does not. It asks about a child
// that is stopped at its first instruction and ended there.
func Dumps() error {
	answer := make(chan error, 1)
	go func() { // ends with its thread, which traced
		runtime.LockOSThread()
		answer <- tryDump()
	}()
	return <-answer
}

func tryDump() error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	defer unix.Close(null)
	files := []uintptr{uintptr(null), uintptr(null), uintptr(null)}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"probe"}, &syscall.ProcAttr{
		Files: files, Sys: &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return fmt.Errorf("a child to be traced: %w", err)
	}
	defer func() {
		_ = unix.Kill(pid, unix.SIGKILL)
		for {
			if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != unix.EINTR {
				return
			}
		}
	}()
	t := &tracer{stopped: make(map[int]int)}
	if err := t.await(pid, time.Now().Add(stopWithin)); err != nil {
		return err
	}
	switch _, err := sys.SeccompFilterOf(pid, 0, &t.buf); {
	case err == nil, errors.Is(err, unix.EINVAL): // it has no filter, and that was told
		return nil
	case errors.Is(err, unix.EACCES):
		return whyNoDump(err)
	case errors.Is(err, unix.EIO):
		return fmt.Errorf("this kernel shows no filters (CONFIG_CHECKPOINT_RESTORE): %w", err)
	default:
		return err
	}
}

// whyNoDump tells the two reasons for EACCES apart.
func whyNoDump(err error) error {
	if own, ownErr := OwnFilters(); ownErr == nil && own > 0 {
		return fmt.Errorf("%s: %w", ownFilter(own), err)
	}
	return fmt.Errorf("the kernel shows filters only to a process with CAP_SYS_ADMIN outside of every user namespace: %w", err)
}

func ownFilter(n int) string {
	return fmt.Sprintf("the supervisor itself runs under %d seccomp filters, and the kernel shows filters only to a process without one: "+
		"start it without (docker: --security-opt seccomp=unconfined; systemd: no SystemCallFilter= and nothing that implies one)", n)
}
