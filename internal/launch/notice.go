package launch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch/stage"
	"sallyport/internal/sys"
)

// receive takes one notice and decides it. A call that took a signal while it
// waited is gone (ENOENT) and is announced again when the kernel restarts it.
func (p *Process) receive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := sys.SeccompReceive(p.listener)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINTR) {
		return
	}
	if err != nil {
		p.end(fmt.Errorf("notice of a call: %w", err))
		return
	}
	if err := p.judge(n); err != nil && !errors.Is(err, unix.ENOENT) {
		p.end(fmt.Errorf("answer to call %d: %w", n.Nr, err))
	}
}

// judge answers a notice, or makes it a breach. The caller holds mu.
func (p *Process) judge(n sys.SeccompNotice) error {
	if p.phase == Launching {
		p.readReport() // perhaps the image is the plugin's by now
	}
	if p.phase == Launching {
		if p.report < 0 {
			return nil // an image that no notice announced: readReport has killed it
		}
		return p.judgeLaunching(n)
	}
	if p.second.admits(p, n) {
		return sys.SeccompContinue(p.listener, n.ID)
	}
	var v Verdict
	if p.decide != nil {
		v = p.decide(p.phase, n.Nr, n.Args)
	}
	switch {
	case v.Errno != 0:
		return sys.SeccompAnswer(p.listener, n.ID, v.Errno)
	case v.Continue:
		return sys.SeccompContinue(p.listener, n.ID)
	}
	p.breach(n)
	return nil
}

// judgeLaunching lets the stage's exec continue and nothing else. An exec that
// a signal interrupts inside the kernel is restarted and announced again; as
// long as the stage's image is there, that is the same exec.
func (p *Process) judgeLaunching(n sys.SeccompNotice) error {
	if !isLaunchExec(n) {
		p.breach(n)
		return nil
	}
	if err := sys.SeccompContinue(p.listener, n.ID); err != nil {
		return err
	}
	p.notice = &ExecNotice{TID: int(n.PID), IP: n.IP, Filter: p.filter}
	return nil
}

// isLaunchExec compares the low words of the arguments, all that the kernel
// looks at. The path is in memory and not looked at: the stage is ours.
func isLaunchExec(n sys.SeccompNotice) bool {
	return isExecOf(n, stage.ExecFD)
}

func isExecOf(n sys.SeccompNotice, fd uint32) bool {
	return n.Nr == unix.SYS_EXECVEAT && uint32(n.Args[0]) == fd && uint32(n.Args[4]) == unix.AT_EMPTY_PATH
}

// breach writes the call down and kills the worker while the call waits. A
// process that the worker forked is another one and is killed after it (before
// it, the worker would run on for a moment as if the fork had ended by itself);
// the notice that still waits proves that the pid is still the caller's.
func (p *Process) breach(n sys.SeccompNotice) {
	p.exit.Breach = &Breach{Nr: n.Nr, Arch: n.Arch, Args: n.Args, IP: n.IP, TID: int(n.PID), Phase: p.phase}
	_ = unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0) // ESRCH: it is dead
	if int(n.PID) == p.pid {
		return
	}
	fd, err := unix.PidfdOpen(int(n.PID), 0)
	if err != nil {
		return // a thread of the worker's, no process
	}
	defer unix.Close(fd)
	if sys.SeccompPending(p.listener, n.ID) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}
