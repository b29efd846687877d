package launch

import (
	"encoding/binary"
	"errors"
	"os"
)

// Suspend stops watching a process of this launcher between two notices: what
// comes meanwhile waits in the kernel, the calls of the worker and its end as a
// zombie included. It is false when the process is reaped already.
func (l *Launcher) Suspend(p *Process) bool {
	p.mu.Lock()
	if p.standing == nil {
		p.standing = make(chan struct{})
	}
	standing := p.standing
	p.mu.Unlock()
	l.ringing.Lock()
	defer l.ringing.Unlock()
	// Every watcher wakes and looks; only this one stops. The others turn until
	// the bell is silent again, a few microseconds.
	one := binary.NativeEndian.AppendUint64(nil, 1)
	if _, err := l.bell.Write(one); err != nil {
		<-p.done // the launcher is closed
		return false
	}
	defer func() { _, _ = l.bell.Read(one) }()
	select {
	case <-standing:
		return true
	case <-p.done:
		return false
	}
}

// stands ends the watcher if Suspend asks for it.
func (p *Process) stands() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.standing == nil {
		return false
	}
	close(p.standing)
	return true
}

// Resume watches a suspended process of this launcher again.
func (l *Launcher) Resume(p *Process) {
	p.mu.Lock()
	suspended := false
	select {
	case <-p.standing: // closed; a nil channel is never ready
		suspended, p.standing = true, nil
	default:
	}
	p.mu.Unlock()
	if suspended {
		l.attend(p)
	}
}

// numberOf is for descriptors that the Launcher keeps open while it is used.
func numberOf(f *os.File) (n int) {
	n = -1
	if conn, err := f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { n = int(fd) })
	}
	return n
}

// Estate is what a suspended Process leaves to a Launcher in another program that
// this process executes. It can be encoded as JSON; descriptors are by number, -1
// for none.
type Estate struct {
	Name     string
	PID      int
	PidFD    int
	Listener int
	Notify   int // of Spec.Notify, while nobody took it
	Phase    Phase
	Filter   [32]byte
	Exec     ExecNotice
	Second   *SecondEstate // of a launcher that executes another program
	Started  uint64        // field 22 of /proc/PID/stat: another process of that id has another
}

// SecondEstate is about the second exec of a launcher.
type SecondEstate struct {
	Dev, Ino uint64
	Asked    int
}

// Export describes a suspended process whose launch is over. The numbers stay the
// Process's.
func (p *Process) Export() (Estate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.standing == nil:
		return Estate{}, errors.New(p.name + " is being watched")
	case p.notice == nil || p.phase == Launching || p.report >= 0:
		return Estate{}, errors.New(p.name + " is being launched")
	case p.exit.Breach != nil || p.fault != nil:
		return Estate{}, errors.New(p.name + " is being killed")
	}
	e := Estate{Name: p.name, PID: p.pid, PidFD: p.fd, Listener: p.listener, Notify: -1, Phase: p.phase, Filter: p.filter, Exec: *p.notice}
	if p.notify != nil {
		e.Notify = numberOf(p.notify)
	}
	if s := p.second; s != nil {
		e.Second = &SecondEstate{Dev: s.launcher.dev, Ino: s.launcher.ino, Asked: s.asked}
	}
	var err error
	e.Started, err = startTime(p.pid)
	return e, err
}
