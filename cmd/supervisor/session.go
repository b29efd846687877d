package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/cgroup"
	"sallyport/internal/fault"
	"sallyport/internal/lane"
	"sallyport/internal/launch"
	"sallyport/internal/monitor"
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

	// The conversation, guarded by mu: see talk.
	talking  context.Context
	stopTalk context.CancelFunc
	talked   chan struct{}
	hushing  bool // the loop's: a halt wants it to stand still
	hushed   bool // the loop's: it does, and all that was read is in the inbox

	filter     *filter   // that confines the process
	graceUntil time.Time // when calls of its start become breaches, below protocol 2
	notify     *os.File  // its NOTIFY_SOCKET, if it has one

	cgroup    *cgroup.Group // nil where there are none; run's
	conn      *scmrights.Conn
	proof     *attest.Proof
	granted   []string // names with a receipt, in the order of the offer
	grants    []*scmrights.Grant
	offers    sync.WaitGroup // of regrants under way
	offering  atomic.Int32   // how many these are
	grantedAt time.Time
	handover  time.Duration
	readySeq  uint64          // of the record with READY
	missing   map[string]bool // lost grants that could not be opened again; both are the loop's
}

func newSession(w *worker, epoch uint32) *session {
	ctx, cancel := context.WithCancel(context.Background())
	return &session{w: w, epoch: epoch, started: time.Now(), ctx: ctx, cancel: cancel,
		proceed: make(chan monitor.ActionKind, 2), done: make(chan struct{}), missing: make(map[string]bool)}
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
	x.talk(x.converse)
	x.attend(proc)
}

// attend stays with the process until it is reaped.
func (x *session) attend(proc *launch.Process) {
	<-proc.Done()
	x.endGroup()
	// What the worker said before its end is still in the socket: let the
	// conversation come to the end of the channel by itself.
	x.untilTalked(lastWords)
	close(x.done)
	exit := proc.Exit()
	if exit.Breach != nil {
		x.announceBreach(exit.Breach)
	}
	x.post(monitor.Event{Kind: monitor.Exited, Reason: exitWords(exit.Status), Clean: exit.Status.Exited() && exit.Status.ExitStatus() == 0})
}

// explained says whether the worker's own end, which it waits for a little, is
// the cause of an error of the channel: then the exit has the better words. A
// protocol fault needs no cause.
func (x *session) explained(err error) bool {
	if errors.Is(err, scmrights.ErrProtocol) {
		return false
	}
	select {
	case <-x.proc.Done():
		return true
	case <-time.After(lastWords):
		return false
	}
}

const lastWords = 200 * time.Millisecond

// sendWithin is how long a full channel may hold up the worker's own loop: a
// worker that reads has room for hundreds of records.
const sendWithin = 100 * time.Millisecond

// spareFiles is what a worker that says no HELLO has open beside its grants: the
// standard descriptors, the channel, a receipt pipe, and some in reserve.
const spareFiles = 8

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
	if x.filter, err = w.confinement(); err != nil {
		parent.Close()
		return nil, err
	}
	if x.cgroup, err = w.group(); err != nil {
		parent.Close()
		return nil, err
	}
	proc, err := w.s.launcher.Start(x.ctx, x.spec(child, output))
	if err != nil {
		x.endGroup()
		parent.Close()
		return nil, err
	}
	if x.cgroup != nil {
		if err := x.cgroup.Tighten(); err != nil {
			w.log.Error("limit of memory", "error", err)
		}
	}
	conn, err := scmrights.NewConn(parent, w.channelConfig(proc))
	if err != nil {
		proc.Kill()
		<-proc.Done()
		x.endGroup()
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

// channelConfig says how the parent treats a process at the other end.
func (w *worker) channelConfig(proc *launch.Process) scmrights.Config {
	config := scmrights.Config{Name: w.cfg.Name, PID: proc.PID(), Proof: w.cfg.Proof, ProofExclusive: attest.DumpLevel,
		PidFD:   proc.PidFD(), // closed when the process is reaped, and then there is nothing to compare with
		Compare: w.cfg.Compare, Budget: w.s.budget, SendTimeout: sendWithin, RevokeTimeout: stopGrace / 2}
	if w.cfg.Protocol < 2 {
		config.Credit = int(w.cfg.Limits.OpenFiles) - spareFiles
	}
	return config
}

func (x *session) spec(channel, output *os.File) launch.Spec {
	w := x.w
	exe, program, args := w.images()
	spec := launch.Spec{
		Name: w.cfg.Name, Exe: exe, Program: program, Args: args, Env: w.environment(),
		ReadOnly: w.cfg.ReadOnly, Notify: w.cfg.Notify, Landlock: w.s.landlock,
		UID: w.id, GID: w.id, SharedID: w.s.options.rootless,
		Filter: x.filter.program.BPF, Decide: x.filter.decide,
		OpenFiles: w.cfg.Limits.OpenFiles, Tasks: w.cfg.Limits.Tasks, Data: w.cfg.Limits.Memory,
		Channel: channel, Stdout: output, Stderr: output,
	}
	if x.cgroup != nil {
		spec.Cgroup = x.cgroup.File
	}
	if d := w.s.now().inputs.device(w.cfg.PrintsTo); d != nil {
		spec.Stdout = d.Printer()
	}
	return spec
}

// endGroup ends what the process has left in its cgroup, after a breach perhaps
// what it forked, and removes it.
func (x *session) endGroup() {
	if x.cgroup == nil {
		return
	}
	if err := x.cgroup.Close(); err != nil {
		x.w.log.Error("end the worker's cgroup", "error", err)
	}
}

func (x *session) askStop() {
	if x.w.cfg.Protocol < 2 {
		if err := x.proc.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			x.w.log.Error("SIGTERM", "error", err)
		}
		return
	}
	// Beside the loop: to give back what was lent a worker has a while.
	x.offers.Go(func() {
		x.callBack()
		if err := x.conn.Send(lane.MsgStop, stopPayload()); err != nil {
			x.w.log.Debug("STOP was not taken", "why", err)
		}
	})
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
	fault.Point("P15") // reaped, and its descriptors are still held
	x.offers.Wait()
	if err := x.conn.Close(); err != nil {
		x.w.log.Error("close the channel", "error", err)
	}
	if x.notify != nil {
		_ = x.notify.Close() // the process is gone
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
