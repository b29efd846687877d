package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/control"
	"sallyport/internal/lane"
	"sallyport/internal/launch"
	"sallyport/internal/monitor"
	"sallyport/internal/seccomp"
	"sallyport/pkg/scmrights"
)

// session is one process of a worker and the channel to it, from launch to
// reaping. run goes through the hand-over's steps and then listens; the loop of
// the worker says when the next step may be taken.
type session struct {
	w       *worker
	epoch   uint32
	started time.Time
	ctx     context.Context
	cancel  context.CancelFunc
	proceed chan monitor.ActionKind
	done    chan struct{} // run is over

	mu   sync.Mutex // guards proc against kill, which may come before the launch is over
	proc *launch.Process

	conn      *scmrights.Conn
	proof     *attest.Proof
	granted   []string // names with a receipt, in the order of the offer
	grants    []*scmrights.Grant
	offers    sync.WaitGroup // of regrants under way
	grantedAt time.Time
	handover  time.Duration
	readySeq  uint64 // of the record with READY; the loop's
}

func newSession(w *worker, epoch uint32) *session {
	ctx, cancel := context.WithCancel(context.Background())
	return &session{w: w, epoch: epoch, started: time.Now(), ctx: ctx, cancel: cancel,
		proceed: make(chan monitor.ActionKind, 2), done: make(chan struct{})}
}

func (x *session) post(e monitor.Event) { x.w.inbox <- note{epoch: x.epoch, event: e} }

// run is the session's goroutine. Whatever happens, it ends with one Exited,
// posted after the process was reaped.
func (x *session) run() {
	proc, err := x.launch()
	if err != nil {
		close(x.done)
		x.post(monitor.Event{Kind: monitor.Failed, Reason: fmt.Sprintf("launch: %v", err)})
		x.post(monitor.Event{Kind: monitor.Exited})
		return
	}
	talk := make(chan struct{})
	go func() {
		defer close(talk)
		if err := x.converse(); err != nil {
			x.post(monitor.Event{Kind: monitor.Failed, Reason: err.Error()})
		}
	}()
	<-proc.Done()
	// What the worker said before its end is still in the socket: let the
	// conversation come to the end of the channel by itself, but not for ever.
	select {
	case <-talk:
	case <-time.After(lastWords):
	}
	x.cancel()
	<-talk
	close(x.done)
	exit := proc.Exit()
	if exit.Breach != nil {
		x.announceBreach(exit.Breach)
	}
	x.post(monitor.Event{Kind: monitor.Exited, Reason: exitWords(exit.Status), Clean: exit.Status.Exited() && exit.Status.ExitStatus() == 0})
}

const lastWords = 200 * time.Millisecond

// launch starts the process. The parent's end of the channel exists before it.
func (x *session) launch() (*launch.Process, error) {
	parent, child, err := scmrights.Pair()
	if err != nil {
		return nil, err
	}
	defer child.Close()
	output, err := x.w.openLog(x.epoch)
	if err != nil {
		parent.Close()
		return nil, err
	}
	defer output.Close()
	w := x.w
	exe, program, args := w.images()
	proc, err := w.s.launcher.Start(x.ctx, launch.Spec{
		Name: w.cfg.Name, Exe: exe, Program: program, Args: args, Env: w.environment(),
		ReadOnly: w.cfg.ReadOnly, Notify: w.cfg.Notify,
		UID: w.id, GID: w.id, SharedID: w.s.options.rootless,
		Filter: w.filter.program.BPF, Decide: w.filter.decide,
		OpenFiles: w.cfg.Limits.OpenFiles, Tasks: w.cfg.Limits.Tasks, Data: w.cfg.Limits.Memory,
		Channel: child, Stdout: output, Stderr: output,
	})
	if err != nil {
		parent.Close()
		return nil, err
	}
	conn, err := scmrights.NewConn(parent, scmrights.Config{PID: proc.PID(), Proof: w.cfg.Proof})
	if err != nil {
		proc.Kill()
		<-proc.Done()
		return nil, err
	}
	x.mu.Lock()
	x.proc, x.conn = proc, conn
	x.mu.Unlock()
	if x.ctx.Err() != nil { // killed while it was launched
		proc.Kill()
	}
	return proc, nil
}

// converse takes the steps of the hand-over in order, then passes on what the
// worker says until the channel ends.
func (x *session) converse() error {
	small := x.w.cfg.Protocol < 2
	if !small {
		if _, err := x.conn.Hello(x.ctx); err != nil {
			return x.ending("HELLO", err)
		}
		// From here a start-up call is a breach.
		x.proc.SetPhase(launch.Running)
	}
	x.post(monitor.Event{Kind: monitor.Hello})
	for range 2 {
		select {
		case step := <-x.proceed:
			if err := x.take(step); err != nil {
				return err
			}
		case <-x.ctx.Done():
			return nil
		}
	}
	if small {
		return x.converseSmall()
	}
	for {
		m, err := x.conn.Receive(x.ctx)
		if err != nil {
			return x.ending("channel", err)
		}
		x.w.inbox <- note{epoch: x.epoch, word: &word{kind: m.Kind, body: m.Body, seq: m.Seq}}
	}
}

// take does one step: the proof, or the grants that a proof allows.
func (x *session) take(step monitor.ActionKind) error {
	switch step {
	case monitor.Prove:
		proof, err := x.prove()
		if err != nil {
			return fmt.Errorf("proof of confinement: %w", err)
		}
		x.proof = proof
		x.post(monitor.Event{Kind: monitor.Proved})
		return nil
	case monitor.Grant:
		return x.grant()
	}
	return fmt.Errorf("no step %v in a session", step)
}

// ending tells an end that the process's exit explains from a fault.
func (x *session) ending(what string, err error) error {
	if errors.Is(err, io.EOF) || x.ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// A program of protocol 1 says nothing when it is ready to be looked at: while
// its loader has a library open, its descriptors are not what they should be.
const (
	loadTime = 2 * time.Second
	loadLook = 5 * time.Millisecond
)

// prove takes the proof of what was launched: of a worker's program, or of the
// launcher that is to become it.
func (x *session) prove() (*attest.Proof, error) {
	exe, program, _ := x.w.images()
	expect := attest.Expect{UID: x.w.id, GID: x.w.id, SharedID: x.w.s.options.rootless,
		Filters: x.w.s.own + 1, Exe: exe, Program: program, Root: x.w.root()}
	for end := time.Now().Add(loadTime); ; {
		proof, err := attest.Prove(x.proc, expect, x.w.cfg.Proof)
		if err == nil || x.w.cfg.Protocol != 1 || x.ctx.Err() != nil || time.Now().After(end) {
			return proof, err
		}
		select {
		case <-x.proc.Done():
		case <-time.After(loadLook):
		}
	}
}

func (x *session) askStop() {
	if x.w.cfg.Protocol < 2 {
		if err := x.proc.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			x.w.log.Error("SIGTERM", "error", err)
		}
		return
	}
	if err := x.conn.Send(lane.MsgStop, stopPayload()); err != nil {
		x.w.log.Debug("STOP was not taken", "why", err)
	}
}

// kill ends the process, launched or not yet.
func (x *session) kill() {
	x.mu.Lock()
	proc := x.proc
	x.mu.Unlock()
	x.cancel()
	if proc == nil {
		return
	}
	if err := proc.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, unix.ESRCH) {
		x.w.log.Error("kill", "error", err)
	}
}

// close releases the channel and every descriptor in its ledger. The process
// is reaped by now.
func (x *session) close() {
	<-x.done
	if x.conn == nil {
		return
	}
	x.offers.Wait()
	if err := x.conn.Close(); err != nil {
		x.w.log.Error("close the channel", "error", err)
	}
}

func (x *session) pid() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.proc == nil {
		return 0
	}
	return x.proc.PID()
}

// announceBreach says which call ended the worker, and what to do about it.
func (x *session) announceBreach(b *launch.Breach) {
	w := x.w
	d := w.filter.bound.Decide(phases[b.Phase], uint32(b.Nr), b.Args)
	call := seccomp.Describe(seccomp.Native(), uint32(b.Nr), b.Args)
	fix := fmt.Sprintf("if it needs this call, add it to the profile %q with the reason", w.cfg.Policy)
	w.log.Warn("BLOCKED", "call", call, "phase", phases[b.Phase], "profile", w.cfg.Policy, "line", d.Line)
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
