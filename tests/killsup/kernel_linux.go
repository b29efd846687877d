package killsup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is a living process as /proc shows it; zombies are left out.
type process struct {
	pid, parent int
	exe         file
	uid         int
	seccomp     string
	caps        string // effective
	ipc         string
}

// file is what a link of /proc leads to.
type file struct{ dev, ino uint64 }

func statFile(name string) (file, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return file{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return file{uint64(st.Dev), st.Ino}, nil
}

// pids are the processes in sight but this one, the dead included.
func pids() ([]int, error) {
	names, err := os.ReadDir("/proc")
	var all []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n.Name()); err == nil && pid != os.Getpid() {
			all = append(all, pid)
		}
	}
	return all, err
}

// processes are those in sight but this one. One that ends meanwhile is left out.
func processes() ([]process, error) {
	all, err := pids()
	if err != nil {
		return nil, err
	}
	var alive []process
	for _, pid := range all {
		dir := "/proc/" + strconv.Itoa(pid)
		p := process{pid: pid}
		text, err := os.ReadFile(dir + "/status")
		if err != nil {
			continue
		}
		dead := false
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			words := strings.Fields(value)
			if len(words) == 0 {
				continue
			}
			switch key {
			case "State":
				dead = words[0] == "Z" || words[0] == "X"
			case "PPid":
				p.parent, _ = strconv.Atoi(words[0])
			case "Uid":
				p.uid, _ = strconv.Atoi(words[0])
			case "Seccomp":
				p.seccomp = words[0]
			case "CapEff":
				p.caps = words[0]
			}
		}
		if p.exe, err = statFile(dir + "/exe"); err != nil || dead {
			continue
		}
		if p.ipc, err = os.Readlink(dir + "/ns/ipc"); err != nil {
			continue
		}
		alive = append(alive, p)
	}
	return alive, nil
}

// descriptor is a line of a table of descriptors.
type descriptor struct {
	number int
	link   string
	file
	queued int // scm_fds of a socket
}

// class is the link without what differs from one life to the next.
func (d descriptor) class() string {
	kind, _, numbered := strings.Cut(d.link, ":[")
	if numbered && (kind == "pipe" || kind == "socket") {
		return kind
	}
	return d.link
}

func (d descriptor) String() string { return fmt.Sprintf("%d %s", d.number, d.link) }

// table is the table of a process; of a number that is closed meanwhile there is
// nothing.
func table(pid int) ([]descriptor, error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	names, err := os.ReadDir(dir + "fd")
	if err != nil {
		return nil, err
	}
	var all []descriptor
	for _, name := range names {
		n, err := strconv.Atoi(name.Name())
		if err != nil {
			return nil, err
		}
		d := descriptor{number: n}
		if d.link, err = os.Readlink(dir + "fd/" + name.Name()); err != nil {
			continue
		}
		if strings.HasPrefix(d.link, "/memfd:") {
			d.link = strings.TrimSuffix(d.link, " (deleted)") // it never had a name
		}
		if d.file, err = statFile(dir + "fd/" + name.Name()); err != nil {
			continue
		}
		if strings.HasPrefix(d.link, "socket:") {
			if d.queued, err = queued(dir + "fdinfo/" + name.Name()); err != nil {
				continue
			}
		}
		all = append(all, d)
	}
	return all, nil
}

// queued is the line "scm_fds:" of a socket's fdinfo (unix_show_fdinfo in
// net/unix/af_unix.c, Linux 5.6).
func queued(fdinfo string) (int, error) {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if value, found := strings.CutPrefix(string(line), "scm_fds:"); found {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, nil
}

// row is a queue as /proc/sysvipc/msg lists it.
type row struct {
	id             int
	mode           string
	uid, gid, cuid int
}

const sysvipc = "/proc/sysvipc/msg"

// queues are those of the namespace that a process is in. The calling thread,
// which must be locked, goes there and back: a thread that stayed would keep the
// namespace, and its queues, alive.
func queues(pid int) (rows []row, err error) {
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/ipc", pid))
	if err != nil {
		return nil, err
	}
	defer there.Close()
	here, err := os.Open("/proc/thread-self/ns/ipc")
	if err != nil {
		return nil, err
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWIPC); err != nil {
		return nil, os.NewSyscallError("setns", err)
	}
	defer func() {
		err = errors.Join(err, os.NewSyscallError("setns", unix.Setns(int(here.Fd()), unix.CLONE_NEWIPC)))
	}()
	return ownQueues()
}

func ownQueues() ([]row, error) {
	text, err := os.ReadFile(sysvipc)
	if err != nil {
		return nil, err
	}
	var rows []row
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		f := strings.Fields(line)
		if i == 0 {
			continue
		}
		if len(f) != 14 {
			return nil, fmt.Errorf("%s: %q", sysvipc, line)
		}
		r := row{mode: f[2]}
		for at, to := range map[int]*int{1: &r.id, 7: &r.uid, 8: &r.gid, 9: &r.cuid} {
			if *to, err = strconv.Atoi(f[at]); err != nil {
				return nil, fmt.Errorf("%s: %q", sysvipc, line)
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// mounts is the table of mounts as this process has it.
func mounts() (string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	return string(text), err
}

// unixSockets counts the UNIX sockets of the network namespace by their paths.
func unixSockets() (map[string]int, error) {
	text, err := os.ReadFile("/proc/net/unix")
	count := map[string]int{}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if i == 0 {
			continue
		}
		path := ""
		if f := strings.Fields(line); len(f) == 8 && !strings.HasPrefix(f[7], "@") {
			path = f[7] // an abstract name was given by the kernel, for SO_PASSCRED
		}
		count[path]++
	}
	return count, err
}

// isolate makes this process, the first of its namespaces, see them: a /proc of
// its own, and mounts that a child's could spread to. dir becomes a file system in
// memory: a process that is killed while it waits for a disk ends when the disk
// has answered, which on a busy machine takes seconds.
func isolate(dir string) error {
	if os.Getpid() != 1 {
		return errors.New("a lane must be the first process of a pid namespace")
	}
	runtime.LockOSThread()
	for _, m := range []struct {
		what  string
		point string
		kind  string
		flags uintptr
	}{
		{"private", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"lane", dir, "tmpfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"shared", "/", "", unix.MS_REC | unix.MS_SHARED},
	} {
		if err := unix.Mount(m.what, m.point, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.what, err)
		}
	}
	return os.Chmod(dir, 0o755) // nobody but root may write where a configuration is
}

// programs are the executables of a build, by what they are.
func programs(dir string) (map[string]file, error) {
	all := map[string]file{}
	for name, path := range map[string]string{"supervisor": "supervisor", "stage": "worker"} {
		f, err := statFile(filepath.Join(dir, path))
		if err != nil {
			return nil, err
		}
		all[name] = f
	}
	for _, w := range workers {
		f, err := statFile(filepath.Join(dir, "workers", w.name))
		if err != nil {
			return nil, err
		}
		all[w.name] = f
	}
	return all, nil
}

func sortedClasses(t []descriptor) []string {
	var all []string
	for _, d := range t {
		all = append(all, d.class())
	}
	slices.Sort(all)
	return all
}
