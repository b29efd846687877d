package launch

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch/stage"
	"sallyport/internal/sys"
)

// secondExec is the one exec more of a process whose executable is a launcher.
// The watching goroutine's, under mu.
type secondExec struct {
	launcher inode // what the process executed when the exec came first
	asked    int
}

// maxAsked bounds how often the exec may be announced: a signal that comes at
// the wrong moment is rare, a loop of them is a fault.
const maxAsked = 16

type inode struct{ dev, ino uint64 }

// admits says whether a notice is the launcher's exec of the program. One that a
// signal interrupted inside the kernel comes again, and is the same exec as long
// as the launcher's image is there; the program that it leads to has lost the
// descriptor, which is close-on-exec, and asking again is its breach.
func (s *secondExec) admits(p *Process, n sys.SeccompNotice) bool {
	if s == nil || p.phase != Starting || !isExecOf(n, stage.SecondFD) {
		return false
	}
	now, err := executed(p.pid)
	if err != nil {
		return false
	}
	if s.asked == 0 {
		s.launcher = now
	}
	s.asked++
	return now == s.launcher && s.asked <= maxAsked
}

// executed is the file that a process executes, seen by the kernel.
func executed(pid int) (inode, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/exe", &st); err != nil {
		return inode{}, err
	}
	return inode{uint64(st.Dev), st.Ino}, nil
}

// Executes says whether the process executes f now. It is false when the
// process is gone.
func (p *Process) Executes(f *os.File) (bool, error) {
	now, err := executed(p.pid)
	if err != nil {
		return false, fmt.Errorf("what %s executes: %w", p.name, err)
	}
	select {
	case <-p.done:
		return false, nil // it may have been another's id
	default:
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var st unix.Stat_t
	var statErr error
	if err := conn.Control(func(fd uintptr) { statErr = unix.Fstat(int(fd), &st) }); err != nil {
		return false, err
	}
	return statErr == nil && now == inode{uint64(st.Dev), st.Ino}, os.NewSyscallError("fstat", statErr)
}

// fetchNotify takes the socket of sd_notify(3) out of the stage, which waits
// with its exec meanwhile.
func (p *Process) fetchNotify() {
	fd, err := unix.PidfdGetfd(p.fd, stage.NotifyFD, 0)
	if err != nil {
		p.end(fmt.Errorf("socket at %s: pidfd_getfd: %w", stage.Notify, err))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notify = os.NewFile(uintptr(fd), stage.Notify)
}

// Notify gives away the socket that is bound at stage.Notify in the worker's
// root; nil without Spec.Notify, and at the second call.
func (p *Process) Notify() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.notify
	p.notify = nil
	return f
}
