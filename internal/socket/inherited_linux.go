package socket

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
)

// Inherited are listeners that this process was started with, by name.
type Inherited map[string]*os.File

// FromEnvironment takes over the descriptors that sd_listen_fds(3) announces to
// this process, marks them close-on-exec, and removes the announcement. To be
// called once, before other files are opened.
func FromEnvironment() (Inherited, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1024 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is no number of descriptors", count)
	}
	in := Inherited{}
	for i := range n {
		fd := 3 + i
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, fmt.Errorf("descriptor %d of LISTEN_FDS=%d: %w", fd, n, err)
		}
		name := "unknown" // what sd_listen_fds_with_names(3) has for one without
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		if in[name] != nil {
			name += "." + strconv.Itoa(i)
		}
		in[name] = os.NewFile(uintptr(fd), "inherited "+name)
	}
	return in, nil
}

// Take gives the inherited listener of the same name as conf, nil when there is
// none. One that listens elsewhere than conf says is an error: either the unit
// or the configuration is not what its author thinks.
func (in Inherited) Take(conf config.Socket) (*os.File, error) {
	f := in[conf.Name]
	if f == nil || !conf.Listen {
		return nil, nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var at unix.Sockaddr
	var nameErr error
	if err := raw.Control(func(n uintptr) { at, nameErr = unix.Getsockname(int(n)) }); err != nil {
		return nil, err
	}
	if nameErr != nil {
		return nil, fmt.Errorf("inherited socket %q: %w", conf.Name, os.NewSyscallError("getsockname", nameErr))
	}
	if have := text(at); have != conf.Address {
		return nil, fmt.Errorf("socket %q (%s): the service manager's is at %s, the configuration has %s", conf.Name, conf.Pos, have, conf.Address)
	}
	delete(in, conf.Name)
	return f, nil
}

func text(at unix.Sockaddr) string {
	switch at := at.(type) {
	case *unix.SockaddrUnix:
		return at.Name
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(at.Addr), uint16(at.Port)).String()
	}
	return "no address"
}

// Names are those that nobody took.
func (in Inherited) Names() []string {
	var names []string
	for name := range in {
		names = append(names, name)
	}
	return names
}

// Close closes what nobody took.
func (in Inherited) Close() {
	for _, f := range in {
		_ = f.Close() // read by nobody
	}
}
