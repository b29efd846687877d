package bus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Names of bells as grants. A worker's name has no '@' in it, so the tap's
// bell collides with none.
const (
	ownBell  = "bell"
	bellOf   = "bell."
	tapName  = "@tap"
	dirOfFDs = "/proc/self/fd/"
)

// Bell is one end of a bell as a worker is given it. The file is nonblocking.
type Bell struct {
	Name string
	Read bool
	File *os.File
}

// bells are one pipe per receiver. Both ends stay open here for the life of the
// Bus: the read end so that the death of a receiver is no EPIPE for its
// senders, and the write end so that a receiver without senders does not read
// EOF. A receiver's successor gets the same pipe.
type bells struct {
	pipes map[uint32]*pipe
	names map[uint32]string
}

type pipe struct{ r, w *os.File }

func newBells(receivers map[uint32]string) (*bells, error) {
	b := &bells{pipes: map[uint32]*pipe{}, names: receivers}
	for id := range receivers {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("bus: bell of worker %d: %w", id, err), b.close())
		}
		b.pipes[id] = &pipe{r, w}
	}
	return b, nil
}

// own is the Bus's own read end.
func (b *bells) own(id uint32) *os.File { return b.pipes[id].r }

// reopen opens an end of a bell anew. The new file shares no status flag with
// any other: a worker that clears O_NONBLOCK on its own makes nobody else wait.
func (b *bells) reopen(id uint32, flag int) (*os.File, error) {
	p := b.pipes[id]
	if p == nil {
		return nil, fmt.Errorf("bus: worker %d has no bell: %w", id, fs.ErrNotExist)
	}
	conn, err := p.r.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("bus: bell of worker %d: %w", id, err)
	}
	fd := -1
	cerr := conn.Control(func(n uintptr) {
		fd, err = unix.Open(fmt.Sprint(dirOfFDs, n), flag|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err := errors.Join(cerr, err); err != nil {
		return nil, fmt.Errorf("bus: open the bell of worker %d anew: %w", id, err)
	}
	return os.NewFile(uintptr(fd), bellOf+b.names[id]), nil
}

// of finds the worker whose bell has this name as a grant.
func (b *bells) of(grant string) (id uint32, known bool) {
	for id, name := range b.names {
		if bellOf+name == grant {
			return id, true
		}
	}
	return 0, false
}

func (b *bells) close() error {
	var errs []error
	for _, p := range b.pipes {
		errs = append(errs, p.r.Close(), p.w.Close())
	}
	b.pipes = nil
	return errors.Join(errs...)
}

// Bells opens the bells of a worker anew: the read end of its own when it hears
// anybody, and a write end for each of its receivers. The caller owns the files.
func (b *Bus) Bells(id uint32) (list []Bell, err error) {
	defer func() {
		if err != nil {
			for _, bell := range list {
				_ = bell.File.Close()
			}
			list = nil
		}
	}()
	if len(b.Ins(id)) > 0 {
		f, err := b.bells.reopen(id, unix.O_RDONLY)
		if err != nil {
			return list, err
		}
		list = append(list, Bell{Name: ownBell, Read: true, File: f})
	}
	opened := map[uint32]bool{}
	for _, out := range b.Outs(id) {
		to, known := b.bells.of(out.Bell)
		if !known || opened[to] {
			continue
		}
		opened[to] = true
		f, err := b.bells.reopen(to, unix.O_WRONLY)
		if err != nil {
			return list, err
		}
		list = append(list, Bell{Name: out.Bell, File: f})
	}
	return list, nil
}
