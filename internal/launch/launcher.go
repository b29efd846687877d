package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

// launchTimeout bounds a launch whose context has no earlier end. A launch
// takes about 10 ms on an idle machine.
const launchTimeout = 10 * time.Second

// ErrClosed is returned by Start after Close.
var ErrClosed = errors.New("the launcher is closed")

// Launcher starts workers, all from one thread that lives as long as it does.
type Launcher struct {
	stage *os.File
	null  *os.File
	spawn chan *spawnRequest // closed by Close, after every Start is through
	ended chan struct{}      // closed when the thread is about to end

	mu     sync.Mutex
	closed bool
	starts sync.WaitGroup
	alive  map[*Process]struct{}
}

// New makes a launcher. stage is the worker binary, opened for reading; it is
// borrowed until Close.
func New(stage *os.File) (*Launcher, error) {
	if stage == nil {
		return nil, errors.New("launcher: no stage binary")
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	l := &Launcher{
		stage: stage, null: null,
		spawn: make(chan *spawnRequest), ended: make(chan struct{}),
		alive: make(map[*Process]struct{}),
	}
	go l.thread()
	return l, nil
}

// thread serves every clone. It is locked and never unlocked: its end is the
// death signal of whatever worker is left.
func (l *Launcher) thread() {
	runtime.LockOSThread()
	defer close(l.ended)
	for r := range l.spawn {
		r.answer <- r.run()
	}
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
	r := &spawnRequest{spec: spec, stage: l.stage, null: l.null, answer: make(chan spawned, 1)}
	select {
	case l.spawn <- r:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	child := <-r.answer
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
	go func() {
		p.watch()
		close(p.done)
		l.mu.Lock()
		delete(l.alive, p)
		l.mu.Unlock()
	}()
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
	close(l.spawn)
	<-l.ended
	return l.null.Close()
}

func (l *Launcher) killAll() []*Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*Process
	for p := range l.alive {
		_ = p.Kill() // one that is gone already needs none
		all = append(all, p)
	}
	return all
}
