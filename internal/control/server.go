package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	maxClients   = 32
	requestTime  = 5 * time.Second // for a client to send its line
	answerTime   = 2 * time.Second // for a client to take one line
	closingGrace = time.Second     // for followers to take the last events
)

// Verb answers one request by calling emit for every item, or fails with a
// *Fault.
type Verb func(ctx context.Context, r Request, emit func(item any) error) error

// Server owns the listening socket and its connections.
type Server struct {
	path     string
	listener *net.UnixListener
	verbs    map[string]Verb
	hub      *Hub
	log      hclog.Logger
	ctx      context.Context
	cancel   context.CancelFunc
	clients  sync.WaitGroup
	gone     chan struct{} // holds a token when a client has left
	origin   *os.File      // of an adopted listener, until Execute

	mu     sync.Mutex
	conns  map[*net.UnixConn]struct{}
	turn   context.Context // of the verbs, from one Resume to the next Pause
	halt   context.CancelFunc
	resume chan struct{} // not nil while paused; closed by Resume
}

// Listen makes the socket at path, mode 0600, and its directory where that is
// missing, replacing one that no process
// listens on any more. The verbs "events" and "logs" are the server's own.
func Listen(path string, verbs map[string]Verb, hub *Hub, log hclog.Logger) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return newServer(path, listener, verbs, hub, log), nil
}

func newServer(path string, listener *net.UnixListener, verbs map[string]Verb, hub *Hub, log hclog.Logger) *Server {
	s := &Server{path: path, listener: listener, verbs: verbs, hub: hub, log: log,
		gone: make(chan struct{}, 1), conns: make(map[*net.UnixConn]struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.turn, s.halt = context.WithCancel(s.ctx)
	return s
}

// Execute accepts clients until Interrupt. It is an actor of oklog/run.
func (s *Server) Execute() error {
	if s.origin != nil {
		s.origin.Close() // the listener has a descriptor of its own
	}
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, os.ErrDeadlineExceeded) && s.ctx.Err() == nil {
			s.standStill()
			continue
		}
		if err != nil {
			if s.ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("control socket %s: %w", s.path, err)
		}
		if s.admit(conn) {
			s.clients.Go(func() { s.serve(conn) })
		}
	}
}

// Interrupt ends Execute, lets followers take the last events, and removes the
// socket. It returns when every client is gone.
func (s *Server) Interrupt(error) {
	s.hub.Close()
	s.cancel()
	s.listener.Close() // also unlinks the path
	s.mu.Lock()
	for conn := range s.conns {
		conn.SetReadDeadline(time.Now())
		conn.SetWriteDeadline(time.Now().Add(closingGrace))
	}
	s.mu.Unlock()
	s.clients.Wait()
}

// Sockets names the server's own descriptors as /proc/self/fd shows them.
func (s *Server) Sockets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	if raw, err := s.listener.SyscallConn(); err == nil {
		names = append(names, socketName(raw))
	}
	for conn := range s.conns {
		if raw, err := conn.SyscallConn(); err == nil {
			names = append(names, socketName(raw))
		}
	}
	return names
}

func (s *Server) serve(conn *net.UnixConn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		conn.Close()
		select {
		case s.gone <- struct{}{}:
		default:
		}
	}()
	conn.SetReadDeadline(time.Now().Add(requestTime))
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 512), maxRequest)
	if !lines.Scan() {
		if errors.Is(lines.Err(), bufio.ErrTooLong) {
			s.refuse(conn, &Fault{Code: "SP0401", What: fmt.Sprintf("the request is longer than %d bytes", maxRequest)})
		}
		return
	}
	request, fault := parseRequest(lines.Bytes())
	if fault == nil {
		fault = s.answer(conn, request)
	}
	if fault != nil {
		s.refuse(conn, fault)
	}
}

// answer runs the verb; a fault that it returns has not been sent yet.
func (s *Server) answer(conn *net.UnixConn, r Request) *Fault {
	switch r.Verb {
	case "events":
		s.follow(conn, s.hub.Subscribe(), true)
		return nil
	case "logs":
		s.follow(conn, s.hub.SubscribeLogs(), r.Follow)
		return nil
	}
	verb, known := s.verbs[r.Verb]
	if !known {
		return &Fault{Code: "SP0405", What: fmt.Sprintf("unknown verb %.40q", r.Verb), Fix: "see docs/control.md for the verbs"}
	}
	r.conn = conn
	err := verb(s.current(), r, func(item any) error { return s.write(conn, answer{V: version, OK: true, Item: item}) })
	var fault *Fault
	switch {
	case errors.As(err, &fault):
		return fault
	case err != nil:
		return &Fault{Code: "SP0400", What: fmt.Sprintf("%s did not succeed", r.Verb), Why: err.Error()}
	}
	s.write(conn, answer{V: version, End: true})
	return nil
}

// follow streams a subscription until the client or the hub ends it, or, unless
// on, what there was before.
func (s *Server) follow(conn *net.UnixConn, sub *Subscription, on bool) {
	defer sub.Cancel()
	if !on {
		sub.Cancel() // what is queued can still be taken
	}
	if s.current().Err() != nil {
		return // paused meanwhile, perhaps after all subscriptions were cut
	}
	for line := range sub.Lines() {
		if s.ctx.Err() == nil {
			conn.SetWriteDeadline(time.Now().Add(answerTime))
		}
		if _, err := conn.Write(slices.Concat(line, []byte{'\n'})); err != nil {
			return
		}
	}
}

func (s *Server) write(conn *net.UnixConn, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	conn.SetWriteDeadline(time.Now().Add(answerTime))
	_, err = conn.Write(append(line, '\n'))
	return err
}

func (s *Server) refuse(conn *net.UnixConn, f *Fault) {
	s.write(conn, refusal{V: version, Fault: f}) // the client may be gone: nothing is owed to it
}
