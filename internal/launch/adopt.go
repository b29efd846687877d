package launch

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Adopt makes a suspended Process of what another Launcher left, which ran in
// this process and on what is now the Launcher's thread; else the worker would
// have got its death signal. The process must still be there, as a zombie at
// least, and the listener be one. When it fails nothing was taken over.
func (l *Launcher) Adopt(e Estate, decide func(Phase, int32, [6]uint64) Verdict) (*Process, error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("adoption of %s: %w", e.Name, err)
	}
	for _, n := range []int{e.PidFD, e.Listener, e.Notify} {
		if n >= 0 {
			unix.CloseOnExec(n)
		}
	}
	p := &Process{
		name: e.Name, pid: e.PID, pidfd: os.NewFile(uintptr(e.PidFD), "pidfd of "+e.Name), decide: decide, filter: e.Filter,
		started: make(chan struct{}), done: make(chan struct{}), standing: make(chan struct{}),
		phase: e.Phase, notice: &e.Exec, fd: e.PidFD, listener: e.Listener, report: -1, ready: true, fetched: true,
	}
	close(p.started)
	close(p.standing)
	if e.Notify >= 0 {
		p.notify = os.NewFile(uintptr(e.Notify), "notify")
	}
	if s := e.Second; s != nil {
		p.second = &secondExec{launcher: inode{s.Dev, s.Ino}, asked: s.Asked}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive[p] = struct{}{}
	return p, nil
}

// check compares an estate with what the kernel shows.
func (e *Estate) check() error {
	const listener = "anon_inode:seccomp notify"
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(e.PidFD))
	if err != nil {
		return fmt.Errorf("pidfd: %w", err)
	}
	if pid := field(string(text), "Pid:"); pid != strconv.Itoa(e.PID) {
		return fmt.Errorf("descriptor %d is the pidfd of %q, want %d", e.PidFD, pid, e.PID)
	}
	if link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(e.Listener)); e.Listener >= 0 && (err != nil || link != listener) {
		return fmt.Errorf("descriptor %d is %q, want %q (%v)", e.Listener, link, listener, err)
	}
	// Not reaped: only its parent, which is us, could do that.
	if err := unix.Waitid(unix.P_PID, e.PID, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		return fmt.Errorf("it is no child of this process: %w", os.NewSyscallError("waitid", err))
	}
	switch started, err := startTime(e.PID); {
	case err != nil:
		return err
	case started != e.Started:
		return fmt.Errorf("process %d was started at %d, want %d: it is another", e.PID, started, e.Started)
	}
	return nil
}

func field(text, name string) string {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, name); found {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// startTime is when a process was started, in clock ticks since boot, proc(5).
func startTime(pid int) (uint64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	const after = 22 - 3 // the third field is the first behind the name
	if len(fields) <= after {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return strconv.ParseUint(fields[after], 10, 64)
}
