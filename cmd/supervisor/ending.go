package main

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"sallyport/internal/control"
	"sallyport/internal/launch"
	"sallyport/internal/monitor"
	"sallyport/internal/seccomp"
)

// announceBreach says which call ended the worker, and what to do about it.
func (x *session) announceBreach(b *launch.Breach) {
	w := x.w
	d := x.filter.bound.Decide(b.Phase, uint32(b.Nr), b.Args)
	call := seccomp.Describe(seccomp.Native(), uint32(b.Nr), b.Args)
	fix := fmt.Sprintf("if it needs this call, add it to the profile %q with the reason", w.cfg.Policy)
	w.log.Warn("BLOCKED", "call", call, "phase", b.Phase, "profile", w.cfg.Policy, "line", d.Line)
	w.s.tally.blocked()
	w.s.hub.Publish(control.Blocked{Worker: w.cfg.Name, Syscall: call, Profile: w.cfg.Policy, Line: d.Line, Fix: fix})
	x.post(monitor.Event{Kind: monitor.Breached, Reason: fmt.Sprintf("made a call outside profile %s: %s", w.cfg.Policy, call)})
}

// exitWords puts a wait status into words.
func exitWords(status unix.WaitStatus) string {
	switch {
	case status.Exited():
		return "exit " + strconv.Itoa(status.ExitStatus())
	case status.Signaled() && status.Signal() == unix.SIGSYS:
		return "killed by the filter: a call of the never-list (ptrace, bpf, mount and the like) or of a foreign architecture; the kernel does not say which"
	case status.Signaled():
		return "killed by " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("ended with status %#x", uint32(status))
}
