package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/pkg/scmrights"
)

const (
	backlog     = 128 // connections that wait while a worker is restarted
	connectTime = 5 * time.Second
)

// Open makes the socket of conf. A blocking one is for programs that were
// written to be activated by sockets; the others wait in a poller. The flag
// belongs to the open file description, which all holders share. The file is
// the caller's; of a unix listener Remove takes the path away.
func Open(conf config.Socket, blocking bool) (*os.File, error) {
	n, err := open(conf)
	if err == nil && blocking {
		if err = os.NewSyscallError("fcntl", unix.SetNonblock(n, false)); err != nil {
			unix.Close(n)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("socket %q (%s): %w", conf.Name, conf.Pos, err)
	}
	return os.NewFile(uintptr(n), "socket "+conf.Name), nil
}

// Kind is what a worker is told of it.
func Kind(conf config.Socket) scmrights.Kind {
	switch {
	case conf.Network == "udp":
		return scmrights.KindDatagram
	case conf.Listen:
		return scmrights.KindListener
	}
	return scmrights.KindStream
}

func open(conf config.Socket) (n int, err error) {
	address, family, err := parse(conf)
	if err != nil {
		return -1, err
	}
	kind := unix.SOCK_STREAM
	if conf.Network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	n, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if conf.Listen {
		err = listen(n, conf, address)
	} else {
		err = connect(n, conf, address)
	}
	if err != nil {
		unix.Close(n)
		return -1, err
	}
	return n, nil
}

func parse(conf config.Socket) (unix.Sockaddr, int, error) {
	if conf.Network == "unix" {
		return &unix.SockaddrUnix{Name: conf.Address}, unix.AF_UNIX, nil
	}
	at, err := netip.ParseAddrPort(conf.Address)
	if err != nil {
		return nil, 0, err
	}
	if at.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}, unix.AF_INET, nil
	}
	if at.Addr().Zone() != "" {
		return nil, 0, fmt.Errorf("%s: an address with a zone cannot be used, take one that is valid everywhere", conf.Address)
	}
	return &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}, unix.AF_INET6, nil
}

func listen(n int, conf config.Socket, address unix.Sockaddr) error {
	if conf.Network == "tcp" {
		// Without it a restarted supervisor waits for the connections of the last one to be forgotten.
		if err := unix.SetsockoptInt(n, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return os.NewSyscallError("setsockopt(SO_REUSEADDR)", err)
		}
	}
	if conf.Network == "unix" {
		return listenUnix(n, conf, address)
	}
	if err := unix.Bind(n, address); err != nil {
		return fmt.Errorf("%s: %w", conf.Address, os.NewSyscallError("bind", err))
	}
	if conf.Network == "udp" {
		return nil
	}
	return os.NewSyscallError("listen", unix.Listen(n, backlog))
}

// listenUnix takes the place of a socket that nobody listens on any more, and
// of nothing else. The mode is in force before the first client can connect.
func listenUnix(n int, conf config.Socket, address unix.Sockaddr) error {
	err := unix.Bind(n, address)
	if errors.Is(err, unix.EADDRINUSE) && stale(conf.Address) {
		if err := unix.Unlink(conf.Address); err != nil {
			return &os.PathError{Op: "unlink", Path: conf.Address, Err: err}
		}
		err = unix.Bind(n, address)
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("%s exists and is in use, or is no socket: %w", conf.Address, os.NewSyscallError("bind", err))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", conf.Address, os.NewSyscallError("bind", err))
	}
	err = os.Chmod(conf.Address, os.FileMode(conf.Mode))
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(n, backlog))
	}
	if err != nil {
		Remove(conf)
	}
	return err
}

// stale says whether path is a socket that refuses connections.
func stale(path string) bool {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return false
	}
	n, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(n)
	return unix.Connect(n, &unix.SockaddrUnix{Name: path}) == unix.ECONNREFUSED
}

// Remove takes away the path of a unix listener that Open made.
func Remove(conf config.Socket) {
	if conf.Listen && conf.Network == "unix" {
		_ = unix.Unlink(conf.Address) // somebody else may have done so
	}
}

// connect waits at most connectTime.
func connect(n int, conf config.Socket, address unix.Sockaddr) error {
	err := unix.Connect(n, address)
	if errors.Is(err, unix.EINPROGRESS) {
		err = connected(n)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", conf.Address, os.NewSyscallError("connect", err))
	}
	return nil
}

func connected(n int) error {
	end := time.Now().Add(connectTime)
	for {
		set := []unix.PollFd{{Fd: int32(n), Events: unix.POLLOUT}}
		got, err := unix.Poll(set, int(max(time.Until(end), 0).Milliseconds()))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case got == 0:
			return unix.ETIMEDOUT
		}
		errno, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			err = unix.Errno(errno)
		}
		return err
	}
}
