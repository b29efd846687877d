package device

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
)

// open opens the attribute for reading. The directory may be reached by links, as
// everything in /sys/class is one; the file itself may not be a link.
func (a attribute) open(o Options) (*Opened, error) {
	path := filepath.Join(a.dir, a.file)
	dir, err := unix.Open(a.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(a.dir, err)
	}
	defer unix.Close(dir)
	ref, err := unix.Openat(dir, a.file, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	defer unix.Close(ref)
	if err := a.judge(ref, path); err != nil {
		return nil, err
	}
	opened := &Opened{
		Name:    a.name,
		Kind:    scmrights.KindAttribute,
		Access:  scmrights.AccessRead,
		Sensors: []Sensor{{Name: a.name, Unit: a.unit, Decode: a.decode}},
	}
	if opened.File = o.kept(a.name, ref); opened.File != nil {
		return opened, nil
	}
	// The judged object: nothing was opened before, so that no driver saw a file
	// that is none of the configured ones.
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(ref), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	opened.File = os.NewFile(uintptr(fd), path)
	return opened, nil
}

func (a attribute) judge(fd int, path string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("%s: %w", path, os.NewSyscallError("fstat", err))
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFLNK:
		return fmt.Errorf("%s is a symbolic link; name the file that it leads to", path)
	default:
		return fmt.Errorf("%s is not a file with text", path)
	}
	if !a.sysfs {
		return nil
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return fmt.Errorf("%s: %w", path, os.NewSyscallError("fstatfs", err))
	}
	if int64(fs.Type) != unix.SYSFS_MAGIC {
		return fmt.Errorf("%s is not on sysfs: something is mounted over it", path)
	}
	return nil
}

// openError tells a device that is not there from one that cannot be opened.
func openError(path string, err error) error {
	wrapped := &os.PathError{Op: "open", Path: path, Err: err}
	if isAbsent(err) {
		return fmt.Errorf("%w: %w", ErrAbsent, wrapped)
	}
	return wrapped
}

// isAbsent also takes EOPNOTSUPP: pressure files say so when the kernel was
// started without them (kernel/sched/psi.c, psi_open).
func isAbsent(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.ENODEV, unix.ENXIO, unix.ENOTDIR, unix.EOPNOTSUPP} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// entries lists the names in dir that begin with prefix, those with a number in the
// order of the numbers. A directory that is not there has none.
func entries(dir, prefix string) ([]string, error) {
	all, err := os.ReadDir(dir)
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	var names []string
	for _, e := range all {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return names, nil
}

// line reads the one line that names something in sysfs; "" when it cannot be read.
func line(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// only picks the one entry of dir whose file says want.
func only(dir, prefix, want, noun string, says func(path string) string) (string, error) {
	names, err := entries(dir, prefix)
	if err != nil {
		return "", err
	}
	var have, match []string
	for _, n := range names {
		path := filepath.Join(dir, n)
		text := says(path)
		if text == want {
			match = append(match, path)
		}
		if text != "" && !slices.Contains(have, text) && len(have) < 12 {
			have = append(have, text)
		}
	}
	switch {
	case len(match) == 1:
		return match[0], nil
	case len(match) > 1:
		return "", fmt.Errorf("%d %ss are called %q (%s): name the file of one of them with file = { path = ... }", len(match), noun, want, strings.Join(match, ", "))
	case len(have) == 0:
		return "", fmt.Errorf("no %s is called %q: %w (%s has none)", noun, want, ErrAbsent, dir)
	}
	return "", fmt.Errorf("no %s is called %q: %w (there are %s)", noun, want, ErrAbsent, strings.Join(have, ", "))
}
