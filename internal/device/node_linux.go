package device

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// node opens a file of /dev in two steps, as attributes are opened: a reference
// that is judged, then the judged object itself, because opening the node of some
// other driver can have an effect (a watchdog starts, a printer wakes). class is
// what the node must be. Links are followed: /dev/serial/by-id holds nothing else.
func (o Options) node(path string, flags int, class func(o Options, major, minor uint32) error) (*os.File, error) {
	ref, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	defer unix.Close(ref)
	if o.Dev == "" {
		var st unix.Stat_t
		if err := unix.Fstat(ref, &st); err != nil {
			return nil, fmt.Errorf("%s: %w", path, os.NewSyscallError("fstat", err))
		}
		if st.Mode&unix.S_IFMT != unix.S_IFCHR {
			return nil, fmt.Errorf("%s is not a character device", path)
		}
		if err := class(o, unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(ref), flags|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// subsystem is the class of nodes that sysfs files under that name.
func subsystem(want string) func(Options, uint32, uint32) error {
	return func(o Options, major, minor uint32) error {
		link, err := os.Readlink(fmt.Sprintf("%s/dev/char/%d:%d/subsystem", o.sys(), major, minor))
		if err != nil {
			return err
		}
		if got := filepath.Base(link); got != want {
			return fmt.Errorf("belongs to the subsystem %s, not %s", got, want)
		}
		return nil
	}
}

// serialLine is the class of terminals that are lines to somewhere: no console, no
// /dev/tty. Rows of /proc/tty/drivers are: name, node, major, minors, type.
func serialLine(o Options, major, minor uint32) error {
	f, err := os.Open(o.proc() + "/tty/drivers")
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil {
		return err
	}
	for row := range strings.Lines(string(text)) {
		words := strings.Fields(row)
		if len(words) < 5 || words[2] != fmt.Sprint(major) {
			continue
		}
		first, last, isRange := strings.Cut(words[3], "-")
		if !isRange {
			last = first
		}
		low, err1 := strconv.ParseUint(first, 10, 32)
		high, err2 := strconv.ParseUint(last, 10, 32)
		if err1 != nil || err2 != nil || uint64(minor) < low || uint64(minor) > high {
			continue
		}
		switch kind := words[4]; kind {
		case "serial", "pty:slave":
			return nil
		default:
			return fmt.Errorf("is a terminal of type %s, not a serial line", kind)
		}
	}
	return fmt.Errorf("is not a serial line")
}
