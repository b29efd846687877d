package launch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"sallyport/internal/seccomp/pidpin"
)

// Process is one worker, from the end of its launch until it is reaped.
type Process struct {
	name   string
	pid    int
	pidfd  *os.File
	decide func(Phase, int32, [6]uint64) Verdict
	filter [sha256.Size]byte
	second *secondExec // nil when there is no Spec.Program

	started chan struct{} // closed when the plugin's image runs
	done    chan struct{} // closed when reaped and everything is closed

	// mu is held from the receipt of a notice to its answer, so that after
	// SetPhase nothing is answered by the rules of an earlier phase.
	mu     sync.Mutex
	phase  Phase
	notice *ExecNotice
	notify *os.File // until Notify gives it away
	exit   Exit

	// Of the watching goroutine alone, and of launchError after it.
	fd        int // of pidfd, which only that goroutine closes
	listener  int // -1 when there is none
	report    int // -1 after its end
	ready     bool
	notifies  bool // Spec.Notify: a socket is to be fetched with the listener
	fetched   bool
	stageSaid []byte
	fault     error

	standing chan struct{} // from Suspend to Resume, guarded by mu; closed when nobody watches
}

// ExecNotice is what the kernel said of the exec that made the stage the
// plugin: it came over the listener of the filter with this hash, so that the
// filter is in force on the one thread the exec leaves.
type ExecNotice struct {
	TID    int
	IP     uint64
	Filter [sha256.Size]byte // SHA-256 of Spec.Filter with this pid in it
}

// Exit is how a worker ended. Breach is nil when it ended otherwise.
type Exit struct {
	Status unix.WaitStatus
	Breach *Breach
}

func newProcess(spec *Spec, child spawned) *Process {
	p := &Process{
		name: spec.Name, pid: child.pid, pidfd: os.NewFile(uintptr(child.pidfd), "pidfd of "+spec.Name),
		decide: spec.Decide, filter: sha256.Sum256(pidpin.Pin(spec.Filter, child.pid)),
		started: make(chan struct{}), done: make(chan struct{}),
		fd: child.pidfd, listener: -1, report: child.report, notifies: spec.Notify,
	}
	if spec.Program != nil {
		p.second = &secondExec{}
	}
	return p
}

// Name is the Spec's.
func (p *Process) Name() string { return p.name }

// PID is the worker's process id. It may be another's once Done is closed.
func (p *Process) PID() int { return p.pid }

// PidFD is borrowed: it is closed before Done is.
func (p *Process) PidFD() *os.File { return p.pidfd }

// Phase is the phase by which the next notice is judged.
func (p *Process) Phase() Phase {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase
}

// SetPhase moves on to a later phase; an earlier one changes nothing. When it
// returns, no notice is in hand that is still judged by the phase before.
func (p *Process) SetPhase(phase Phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = max(p.phase, phase)
}

// Undisturbed calls do while no notice of the worker is in hand: none is received
// before do returns. A thread whose call was announced and received waits in a
// state in which it can be killed but not stopped. do must be quick, and may call
// nothing of the Process but Name and PID.
func (p *Process) Undisturbed(do func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return do()
}

// ExecNotice is false before the exec was admitted.
func (p *Process) ExecNotice() (ExecNotice, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.notice == nil {
		return ExecNotice{}, false
	}
	return *p.notice, true
}

// Kill sends SIGKILL. os.ErrProcessDone means that the worker is gone.
func (p *Process) Kill() error { return p.Signal(unix.SIGKILL) }

// Signal sends sig through the pidfd, so never to another process.
func (p *Process) Signal(sig unix.Signal) error {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	if err := conn.Control(func(fd uintptr) { sendErr = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return os.ErrProcessDone // closed after the reaping
	}
	if errors.Is(sendErr, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("pidfd_send_signal", sendErr)
}

// Done is closed when the worker is reaped and its descriptors are closed.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit is valid after Done.
func (p *Process) Exit() Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// launchError says why a worker that is reaped never ran.
func (p *Process) launchError() error {
	exit := p.Exit()
	switch {
	case p.fault != nil:
		return p.fault
	case exit.Breach != nil:
		return fmt.Errorf("a call that the filter does not admit: %w", exit.Breach)
	case len(p.stageSaid) > 0:
		return errors.New(string(p.stageSaid))
	case p.ready:
		return fmt.Errorf("no notice of the exec came, the filter allows it or kills for it: %s", statusText(exit.Status))
	}
	return fmt.Errorf("the stage ended without a word: %s", statusText(exit.Status))
}

func statusText(s unix.WaitStatus) string {
	switch {
	case s.Exited():
		return fmt.Sprintf("exit code %d", s.ExitStatus())
	case s.Signaled():
		return fmt.Sprintf("signal %d (%s)", int(s.Signal()), unix.SignalName(s.Signal()))
	}
	return fmt.Sprintf("wait status %#x", uint32(s))
}
