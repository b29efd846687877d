package control

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// Pause lets nobody in any more: who connects waits in the listener's queue.
// Verbs that are under way get the end of their context, followers the end of
// their stream, and all but the asker of keep are waited for until ctx ends.
// Resume is due afterwards in any case.
func (s *Server) Pause(ctx context.Context, keep Request) error {
	s.mu.Lock()
	if s.resume == nil {
		s.resume = make(chan struct{})
	}
	s.halt()
	for conn := range s.conns {
		if conn != keep.conn {
			conn.SetReadDeadline(time.Now().Add(closingGrace))
			conn.SetWriteDeadline(time.Now().Add(closingGrace))
		}
	}
	s.mu.Unlock()
	s.listener.SetDeadline(time.Unix(1, 0))
	s.hub.Cut()
	for {
		s.mu.Lock()
		left := len(s.conns)
		if _, there := s.conns[keep.conn]; there {
			left--
		}
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-s.gone:
		case <-ctx.Done():
			return fmt.Errorf("control socket: %d clients do not leave: %w", left, ctx.Err())
		}
	}
}

// Resume lets clients in again.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resume == nil {
		return
	}
	s.turn, s.halt = context.WithCancel(s.ctx)
	s.listener.SetDeadline(time.Time{})
	close(s.resume)
	s.resume = nil
}

// standStill is Execute's part of a pause.
func (s *Server) standStill() {
	s.mu.Lock()
	resume := s.resume
	s.mu.Unlock()
	if resume == nil {
		return
	}
	select {
	case <-resume:
	case <-s.ctx.Done():
	}
}

func (s *Server) current() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turn
}

// Descriptor is the number of the listener, which stays the Server's.
func (s *Server) Descriptor() (int, error) {
	raw, err := s.listener.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	return n, raw.Control(func(fd uintptr) { n = int(fd) })
}

// Descriptor is the number of the asker's connection, which stays the Server's.
func (r Request) Descriptor() (int, error) {
	if r.conn == nil {
		return -1, os.ErrClosed
	}
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	return n, raw.Control(func(fd uintptr) { n = int(fd) })
}

// Adopt is Listen with the listener that another Server left, in a program that
// this process was before an exec. It takes the number over; when it fails it has not.
func Adopt(path string, number int, verbs map[string]Verb, hub *Hub, log hclog.Logger) (*Server, error) {
	at, err := unix.Getsockname(number)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: descriptor %d: %w", path, number, os.NewSyscallError("getsockname", err))
	}
	if name, ok := at.(*unix.SockaddrUnix); !ok || name.Name != path {
		return nil, fmt.Errorf("control socket %s: descriptor %d listens elsewhere", path, number)
	}
	unix.CloseOnExec(number)
	f := os.NewFile(uintptr(number), "control")
	general, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	listener := general.(*net.UnixListener)
	listener.SetUnlinkOnClose(true)
	s := newServer(path, listener, verbs, hub, log)
	s.origin = f
	return s, nil
}

// Reply answers a request of a Server in a program that this process was before,
// on the asker's connection, and closes that.
func Reply(number int, item any, fault *Fault) error {
	unix.CloseOnExec(number)
	f := os.NewFile(uintptr(number), "client")
	general, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return fmt.Errorf("client of the control socket: %w", err)
	}
	conn, ok := general.(*net.UnixConn)
	if !ok {
		general.Close()
		return fmt.Errorf("client of the control socket: descriptor %d is no connection of it", number)
	}
	defer conn.Close()
	s := &Server{}
	if fault != nil {
		s.refuse(conn, fault)
		return nil
	}
	if err := s.write(conn, answer{V: version, OK: true, Item: item}); err != nil {
		return err
	}
	return s.write(conn, answer{V: version, End: true})
}

// Cut ends every subscription after what is queued for it. Who subscribes later
// is told of what comes then.
func (h *Hub) Cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		delete(h.subs, s)
		close(s.lines)
	}
}

// Recent gives what a new follower is told of, encoded: events, and lines of the log.
func (h *Hub) Recent() (events, logs []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return texts(h.recent), texts(h.logged)
}

func texts(lines [][]byte) (all []string) {
	for _, line := range lines {
		all = append(all, string(line))
	}
	return all
}

// Remember puts what an earlier Hub had before what this one has.
func (h *Hub) Remember(events, logs []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recent = before(events, h.recent, memory)
	h.logged = before(logs, h.logged, logMemory)
}

func before(old []string, lines [][]byte, most int) [][]byte {
	var all [][]byte
	for _, line := range old {
		all = append(all, []byte(line))
	}
	all = append(all, lines...)
	return all[max(0, len(all)-most):]
}
