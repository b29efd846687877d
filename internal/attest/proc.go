package attest

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// procDir is an opened /proc/PID: everything is read relative to it.
type procDir struct {
	fd  int
	pid int
}

func openProc(pid int) (*procDir, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc/%d: %w", pid, err)
	}
	return &procDir{fd, pid}, nil
}

func (d *procDir) close() { unix.Close(d.fd) }

// read returns a whole file of at most 1 MiB.
func (d *procDir) read(name string) (string, error) {
	fd, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open /proc/%d/%s: %w", d.pid, name, err)
	}
	defer unix.Close(fd)
	const most = 1 << 20
	buf := make([]byte, 4096)
	n := 0
	for {
		m, err := unix.Read(fd, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("read /proc/%d/%s: %w", d.pid, name, err)
		}
		if m == 0 {
			return string(buf[:n]), nil
		}
		if n += m; n == len(buf) {
			if n >= most {
				return "", fmt.Errorf("/proc/%d/%s is longer than %d bytes", d.pid, name, most)
			}
			buf = append(buf, make([]byte, n)...)
		}
	}
}

// list returns the names in a directory, without . and ..
func (d *procDir) list(name string) ([]string, error) {
	fd, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc/%d/%s: %w", d.pid, name, err)
	}
	defer unix.Close(fd)
	var names []string
	buf := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list of /proc/%d/%s: %w", d.pid, name, err)
		}
		if n <= 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// link returns the target of a symbolic link, as the kernel describes it.
func (d *procDir) link(name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(d.fd, name, buf)
	if err != nil {
		return "", fmt.Errorf("readlink /proc/%d/%s: %w", d.pid, name, err)
	}
	return string(buf[:n]), nil
}

// stat follows a link of the kernel's (exe, root, ns/...) to its object.
func (d *procDir) stat(name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, 0); err != nil {
		return st, fmt.Errorf("stat /proc/%d/%s: %w", d.pid, name, err)
	}
	return st, nil
}

// fields parses a status file into its named lines.
func fields(status string) map[string]string {
	m := make(map[string]string, 64)
	for line := range strings.Lines(status) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			m[name] = strings.TrimSpace(value)
		}
	}
	return m
}
