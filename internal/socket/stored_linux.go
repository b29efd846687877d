package socket

import (
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
)

// Recover gives the listener that was kept under name for a successor of the
// process that made it, nil when there is none or when it is not what conf says:
// of that family and type, listening, at that address, and a unix one still to
// be found at its path. One that is not is closed. It becomes blocking or not, as
// with Open.
func (in Inherited) Recover(name string, conf config.Socket, blocking bool) *os.File {
	f := in[name]
	if f == nil {
		return nil
	}
	delete(in, name)
	fits := false
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(n uintptr) { fits = isAsConfigured(int(n), conf) && unix.SetNonblock(int(n), !blocking) == nil })
	}
	if !fits {
		_ = f.Close()
		return nil
	}
	return f
}

func isAsConfigured(n int, conf config.Socket) bool {
	address, family, err := parse(conf)
	if err != nil {
		return false
	}
	kind, listening := unix.SOCK_STREAM, 1
	if conf.Network == "udp" {
		kind, listening = unix.SOCK_DGRAM, 0
	}
	for option, want := range map[int]int{unix.SO_DOMAIN: family, unix.SO_TYPE: kind, unix.SO_ACCEPTCONN: listening} {
		if got, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, option); err != nil || got != want {
			return false
		}
	}
	at, err := unix.Getsockname(n)
	if err != nil || text(at) != text(address) {
		return false
	}
	if conf.Network != "unix" {
		return true
	}
	// A path that was removed leads nobody to the listener any more.
	var st unix.Stat_t
	return unix.Lstat(conf.Address, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK
}
