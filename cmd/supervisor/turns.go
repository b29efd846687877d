package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/monitor"
)

// begin lets a worker start in its turn: at once, when those that it comes after
// are ready, or when somebody connects. It does so as long as st is in force.
func (s *supervisor) begin(st *setup, w *worker) {
	cfg := st.config(w)
	if len(cfg.After) == 0 && !cfg.OnConnect {
		w.tell(monitor.Event{Kind: monitor.Start})
		return
	}
	s.turns.Go(func() {
		ctx, cancel := s.during(st, w)
		defer cancel()
		if !s.awaitOthers(ctx, st, w, cfg.After) {
			return
		}
		if !cfg.OnConnect {
			if w.status().state == monitor.Declared { // no operator was faster
				w.tell(monitor.Event{Kind: monitor.Start})
			}
			return
		}
		if err := s.attend(ctx, st, w); err != nil && ctx.Err() == nil {
			s.log.Error("wait for connections; starting the worker instead", "worker", w.cfg.Name, "error", err)
			w.tell(monitor.Event{Kind: monitor.Start})
		}
	})
}

// config is what a setup says of a worker, whose own may be of an earlier one.
func (st *setup) config(w *worker) config.Worker {
	i := slices.IndexFunc(st.cfg.Workers, func(c config.Worker) bool { return c.Name == w.cfg.Name })
	return st.cfg.Workers[i]
}

// during ends with the ordered stop, the setup or the worker.
func (s *supervisor) during(st *setup, w *worker) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-s.stopping:
		case <-st.replaced:
		case <-w.ended:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}

// awaitOthers returns true when every one of names was ready since it began, or
// an operator started or stopped the worker meanwhile.
func (s *supervisor) awaitOthers(ctx context.Context, st *setup, w *worker, names []string) bool {
	for i, name := range names {
		w.waitFor(names[i:])
		other := st.worker(name)
		for {
			changed, mine := other.watch(), w.watch()
			if other.status().state == monitor.Ready || w.status().state != monitor.Declared {
				break
			}
			select {
			case <-changed:
			case <-mine:
			case <-ctx.Done():
				return false
			}
		}
	}
	w.waitFor(nil)
	return true
}

// waitFor notes for whom the worker waits.
func (w *worker) waitFor(names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = names
}

// watch gives a channel that is closed at the next change of the status.
func (w *worker) watch() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// attend starts the worker whenever it is down, nobody stopped it, and somebody
// connects to one of its listeners; whoever connected waits in the backlog.
func (s *supervisor) attend(ctx context.Context, st *setup, w *worker) error {
	watched, err := st.inputs.watchable(w.cfg)
	if err != nil {
		return err
	}
	defer closeFDs(watched)
	var stop [2]int
	if err := unix.Pipe2(stop[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(stop[0])
	closed := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() { unix.Close(stop[1]); close(closed) })
	defer func() {
		if unhook() {
			unix.Close(stop[1])
		} else {
			<-closed
		}
	}()
	for {
		changed := w.watch()
		if !w.isDown() {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if err := readable(append(watched, stop[0])); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if !w.isDown() {
			continue
		}
		w.tell(monitor.Event{Kind: monitor.Start})
		// Time for the loop to hear it, and a bound for a worker that leaves
		// without taking the connection.
		select {
		case <-time.After(w.cfg.Restart.BackoffMin):
		case <-ctx.Done():
			return nil
		}
	}
}

// isDown says whether the worker is to be started by a connection: it never ran,
// or left by itself.
func (w *worker) isDown() bool {
	st := w.status()
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.held && (st.state == monitor.Declared || st.state == monitor.Stopped)
}

// watchable duplicates the listeners of a worker: a reload may close its own
// while they are polled.
func (in *inputs) watchable(w *config.Worker) (fds []int, err error) {
	for _, name := range w.Sockets {
		f := in.listeners.files[name]
		if f == nil {
			continue // a connection, which nobody makes
		}
		conn, err := f.SyscallConn()
		if err != nil {
			closeFDs(fds)
			return nil, err
		}
		fd, dupErr := -1, error(nil)
		err = conn.Control(func(n uintptr) { fd, dupErr = unix.FcntlInt(n, unix.F_DUPFD_CLOEXEC, 0) })
		if err := errors.Join(err, os.NewSyscallError("fcntl", dupErr)); err != nil {
			closeFDs(fds)
			return nil, fmt.Errorf("listener %q: %w", name, err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// readable waits until one of the descriptors has something to be read, or its
// far end is closed. It holds a thread meanwhile: the listeners of programs that
// are activated by sockets are blocking ones, which the poller does not take.
func readable(fds []int) error {
	list := make([]unix.PollFd, len(fds))
	for i, fd := range fds {
		list[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	for {
		_, err := unix.Poll(list, -1)
		if err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}
