package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// admit checks who connects: the kernel's word, not the client's.
func (s *Server) admit(conn *net.UnixConn) bool {
	cred, err := peerCredentials(conn)
	switch {
	case err != nil:
		s.log.Warn("control client refused", "why", err)
	case cred.Uid != 0 && cred.Uid != uint32(os.Geteuid()):
		s.log.Warn("control client refused", "uid", cred.Uid, "pid", cred.Pid)
		s.refuse(conn, &Fault{Code: "SP0403", What: "not permitted",
			Why: fmt.Sprintf("user %d is neither root nor the supervisor's user", cred.Uid), Fix: "use sudo"})
	case !s.add(conn):
		s.refuse(conn, &Fault{Code: "SP0404", What: "too many clients", Why: fmt.Sprintf("%d are connected", maxClients), Fix: "try again later"})
	default:
		return true
	}
	conn.Close()
	return false
}

func (s *Server) add(conn *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= maxClients || s.ctx.Err() != nil {
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

// removeStale clears the path of a socket whose supervisor is gone.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("control socket %s: something else has this name; remove it or set another path in supervisor { control }", path)
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return fmt.Errorf("control socket %s: another supervisor answers there; stop it or set another path in supervisor { control }", path)
	}
	return os.Remove(path)
}

func peerCredentials(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var errno error
	if err := raw.Control(func(fd uintptr) {
		cred, errno = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return cred, os.NewSyscallError("getsockopt", errno)
}

// socketName is what readlink says of the descriptor in /proc/self/fd.
func socketName(raw syscall.RawConn) string {
	var st unix.Stat_t
	err := errors.New("closed")
	if cerr := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); cerr != nil || err != nil {
		return ""
	}
	return fmt.Sprintf("socket:[%d]", st.Ino)
}
