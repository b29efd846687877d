package attest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch/stage"
)

// namespaces of a worker: whether it has its own.
var namespaces = []struct {
	name string
	own  bool
}{
	{"mnt", true}, {"net", true}, {"uts", true}, {"cgroup", true},
	{"ipc", false}, {"pid", false}, {"user", false},
}

// surroundings is level 2.
func (f *Proof) surroundings(d *procDir, e Expect) error {
	for _, check := range []func(*procDir, Expect) error{namespacesPrivate, rootKnown, descriptorsKnown, exeSame, memorySplit} {
		if err := check(d, e); err != nil {
			return err
		}
	}
	return nil
}

func namespacesPrivate(d *procDir, _ Expect) error {
	for _, n := range namespaces {
		theirs, err := d.stat("ns/" + n.name)
		if err != nil {
			return err
		}
		var ours unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+n.name, &ours); err != nil {
			return fmt.Errorf("own %s namespace: %w", n.name, err)
		}
		switch same := theirs.Ino == ours.Ino && theirs.Dev == ours.Dev; {
		case n.own && same:
			return fmt.Errorf("the worker is in the supervisor's %s namespace", n.name)
		case !n.own && !same:
			return fmt.Errorf("the worker is not in the supervisor's %s namespace", n.name)
		}
	}
	return nil
}

func rootKnown(d *procDir, e Expect) error {
	names, err := d.list("root/")
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains(e.Root, name) {
			return fmt.Errorf("the worker's root holds %q, want nothing but %q", name, e.Root)
		}
	}
	sealed, err := rootReadOnly(d)
	if err == nil && !sealed {
		err = errors.New("the worker's root can be written")
	}
	return err
}

func rootReadOnly(d *procDir) (bool, error) {
	fd, err := unix.Openat(d.fd, "root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("open /proc/%d/root: %w", d.pid, err)
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return false, fmt.Errorf("fstatfs of the worker's root: %w", err)
	}
	return fs.Flags&unix.ST_RDONLY != 0, nil
}

// descriptorsKnown admits 0, 1, 2, the channel at 3, what a Go runtime opens
// for its poller: one epoll and one eventfd, the program of a launcher, and what
// a worker with entries in its root opened among these, and copies of 0, 1, 2.
func descriptorsKnown(d *procDir, e Expect) error {
	names, err := d.list("fd")
	if err != nil {
		return err
	}
	given := map[string]bool{os.DevNull: true} // what it was started with: 0, and 1 to 3, which come first
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	pollers := map[string]bool{"anon_inode:[eventpoll]": true, "anon_inode:[eventfd]": true}
	lowest := 0
	for _, name := range names {
		link, err := d.link("fd/" + name)
		if errors.Is(err, unix.ENOENT) {
			continue // closed meanwhile
		}
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(name)
		if n <= 3 {
			given[link] = true
		}
		switch {
		case err != nil:
			return fmt.Errorf("descriptor %q has no number", name)
		case n <= 2:
			lowest++
		case n == 3:
			lowest++
			if !strings.HasPrefix(link, "socket:") {
				return fmt.Errorf("descriptor 3 is %q, want the channel's socket", link)
			}
		case n == stage.SecondFD && e.Program != nil:
			if err := sameFile(d, "fd/"+name, "holds as its program", e.Program); err != nil {
				return err
			}
		case pollers[link]:
			delete(pollers, link) // one of each
		case e.Reads && given[link]: // a shell keeps one while it redirects another there
		default:
			copied, err := ofStandardStream(d, name)
			switch {
			case errors.Is(err, unix.ENOENT):
				continue // closed meanwhile
			case err != nil:
				return err
			case copied:
				continue
			}
			if e.Reads {
				switch its, err := readable(d, n); {
				case errors.Is(err, unix.ENOENT):
					continue // closed meanwhile
				case err != nil:
					return err
				case its:
					continue
				}
			}
			return fmt.Errorf("descriptor %d is %q: nothing was granted yet", n, link)
		}
	}
	if lowest != 4 {
		return fmt.Errorf("%d of the descriptors 0 to 3 are open, want all four", lowest)
	}
	return nil
}

// ofStandardStream tells a copy of 0, 1 or 2, which a shell makes before it
// redirects one of them, from anything else: what one of them is now, or the null
// device, which 0 was at the launch. It opens no other way.
func ofStandardStream(d *procDir, name string) (bool, error) {
	theirs, err := d.stat("fd/" + name)
	if err != nil {
		return false, err
	}
	if theirs.Mode&unix.S_IFMT == unix.S_IFCHR && theirs.Rdev == unix.Mkdev(1, 3) { // mem(4)
		return true, nil
	}
	for _, stream := range []string{"0", "1", "2"} {
		one, err := d.stat("fd/" + stream)
		if err != nil {
			return false, err
		}
		if theirs.Dev == one.Dev && theirs.Ino == one.Ino {
			return true, nil
		}
	}
	return false, nil
}

func exeSame(d *procDir, e Expect) error {
	if e.Exe == nil {
		return errors.New("no executable to compare with")
	}
	return sameFile(d, "exe", "executes", e.Exe)
}

// sameFile compares inodes; does says what the worker does with its one.
func sameFile(d *procDir, name, does string, want *os.File) error {
	theirs, err := d.stat(name)
	if err != nil {
		return err
	}
	conn, err := want.SyscallConn()
	if err != nil {
		return err
	}
	var ours unix.Stat_t
	var statErr error
	if err := conn.Control(func(fd uintptr) { statErr = unix.Fstat(int(fd), &ours) }); err != nil {
		return err
	}
	if statErr != nil {
		return os.NewSyscallError("fstat", statErr)
	}
	if theirs.Dev != ours.Dev || theirs.Ino != ours.Ino {
		return fmt.Errorf("the worker %s inode %d of device %#x, launched was inode %d of %#x", does, theirs.Ino, theirs.Dev, ours.Ino, ours.Dev)
	}
	return nil
}

// memorySplit looks for a mapping both writable and executable.
func memorySplit(d *procDir, _ Expect) error {
	maps, err := d.read("maps")
	if err != nil {
		return err
	}
	return checkMaps(maps)
}

func checkMaps(maps string) error {
	for line := range strings.Lines(maps) {
		span, rest, _ := strings.Cut(line, " ")
		if len(rest) < 4 {
			return fmt.Errorf("line %q of the worker's maps cannot be read", line)
		}
		if mode := rest[:4]; mode[1] == 'w' && mode[2] == 'x' {
			return fmt.Errorf("memory %s is both writable and executable (%s)", span, mode)
		}
	}
	return nil
}
