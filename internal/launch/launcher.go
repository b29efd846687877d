package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// launchTimeout bounds a launch whose context has no earlier end. A launch
// takes about 10 ms on an idle machine.
const launchTimeout = 10 * time.Second

// ErrClosed is returned by Start after Close.
var ErrClosed = errors.New("the launcher is closed")

// Launcher starts workers, all from one thread that lives as long as it does.
type Launcher struct {
	stage  *os.File
	null   *os.File
	thread *Thread
	own    bool     // the thread is ours to close, after every Start is through
	bell   *os.File // an eventfd that wakes every watcher, for Suspend

	ringing sync.Mutex // one Suspend at a time

	mu     sync.Mutex
	closed bool
	starts sync.WaitGroup
	alive  map[*Process]struct{}
}

// New makes a launcher with a thread of its own. stage is the worker binary,
// opened for reading; it is borrowed until Close.
func New(stage *os.File) (*Launcher, error) {
	thread := NewThread()
	l, err := NewOn(stage, thread)
	if err != nil {
		return nil, err
	}
	l.own = true
	go thread.Serve()
	return l, nil
}

// NewOn is New with a thread of the caller's, which serves and is not closed
// before the Launcher is.
func NewOn(stage *os.File, thread *Thread) (*Launcher, error) {
	if stage == nil {
		return nil, errors.New("launcher: no stage binary")
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		null.Close()
		return nil, fmt.Errorf("launcher: %w", os.NewSyscallError("eventfd2", err))
	}
	return &Launcher{stage: stage, null: null, thread: thread, bell: os.NewFile(uintptr(bell), "bell of the launcher"),
		alive: make(map[*Process]struct{})}, nil
}

// Start launches one worker and returns when the plugin's image runs under its
// filter, in phase Starting. When it returns an error no process is left; the
// error says in words which step of the launch went wrong. The Process ends by
// itself, by Kill, by Close, or with the thread of this launcher.
func (l *Launcher) Start(ctx context.Context, spec Spec) (*Process, error) {
	p, err := l.start(ctx, &spec)
	if err != nil {
		return nil, fmt.Errorf("launch of %s: %w", spec.Name, err)
	}
	return p, nil
}

func (l *Launcher) start(ctx context.Context, spec *Spec) (*Process, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, ErrClosed
	}
	l.starts.Add(1)
	l.mu.Unlock()
	defer l.starts.Done()

	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	r := &spawnRequest{spec: spec, stage: l.stage, null: l.null}
	var child spawned
	if err := l.thread.Do(ctx, func() { child = r.run() }); err != nil {
		return nil, err
	}
	if child.err != nil {
		return nil, child.err
	}
	p := newProcess(spec, child)
	l.mu.Lock()
	l.alive[p] = struct{}{}
	if l.closed {
		_ = p.Kill()
	}
	l.mu.Unlock()
	l.attend(p)
	select {
	case <-p.started:
	case <-p.done:
	case <-ctx.Done():
		_ = p.Kill() // already gone: as well
		<-p.done
		return nil, fmt.Errorf("not done in time: %w", ctx.Err())
	}
	select {
	case <-p.started:
		return p, nil // perhaps dead by now, which Done tells
	default:
		return nil, p.launchError()
	}
}

// attend watches a process until it is reaped, or suspended.
func (l *Launcher) attend(p *Process) {
	bell := numberOf(l.bell)
	go func() {
		if !p.watch(bell) {
			return
		}
		close(p.done)
		l.mu.Lock()
		delete(l.alive, p)
		l.mu.Unlock()
	}()
}

// Close kills every worker, waits until they are reaped, and ends the thread.
// The second Close returns nil at once.
func (l *Launcher) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.killAll()
	l.starts.Wait()
	for _, p := range l.killAll() {
		<-p.done
	}
	if l.own {
		l.thread.Close()
	}
	return errors.Join(l.bell.Close(), l.null.Close())
}

func (l *Launcher) killAll() []*Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*Process
	for p := range l.alive {
		_ = p.Kill()   // one that is gone already needs none
		go l.Resume(p) // nobody watches a suspended one
		all = append(all, p)
	}
	return all
}
