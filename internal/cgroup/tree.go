package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Tree is a Place that is ready for workers.
type Tree struct {
	Place
	leaf string // the supervisor's own, "" at the root
}

const (
	leafName     = "supervisor"
	workerPrefix = "worker-" // of the directories: nothing of that name in ours is another's
)

// Open prepares the place for workers of the supervisor of that name. What an
// earlier one left there, empty, is removed.
func (p *Place) Open(name string) (*Tree, error) {
	t := &Tree{Place: *p}
	if p.root {
		if err := t.give(); err != nil {
			return nil, err
		}
		t.dir = filepath.Join(p.dir, "sallyport-"+name)
		if err := mkdir(t.dir); err != nil {
			return nil, err
		}
	} else {
		t.leaf = filepath.Join(p.dir, leafName)
		if err := errors.Join(mkdir(t.leaf), put(t.leaf, "cgroup.procs", strconv.Itoa(os.Getpid()))); err != nil {
			return nil, err
		}
	}
	if err := t.give(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	stale, err := filepath.Glob(filepath.Join(t.dir, workerPrefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range stale {
		_ = unix.Rmdir(dir) // EBUSY: another supervisor's of the same name, and in use
	}
	return t, nil
}

// give lets the cgroups below have the controllers.
func (t *Tree) give() error {
	return put(t.dir, "cgroup.subtree_control", "+"+strings.Join(t.Controllers, " +"))
}

// Close undoes what Open did, when the last Group is closed.
func (t *Tree) Close() error {
	if t.root {
		return rmdir(t.dir)
	}
	if inside, err := words(filepath.Join(t.leaf, "cgroup.procs")); err != nil || len(inside) > 1 {
		return err // a successor has taken it over
	}
	return errors.Join(
		put(t.dir, "cgroup.subtree_control", "-"+strings.Join(t.Controllers, " -")),
		put(t.dir, "cgroup.procs", strconv.Itoa(os.Getpid())),
		rmdir(t.leaf))
}

// Limits of one worker; what is 0 is not limited.
type Limits struct {
	Memory uint64 // bytes, of all kinds, page cache included
	Tasks  uint32
	CPU    uint32 // hundredths of one processor
}

// stageMemory is what the launch stage may use: it is a Go program, whatever the
// worker is.
const stageMemory = 32 << 20

// Group is the cgroup of one worker.
type Group struct {
	dir    string
	memory uint64   // to be set when the stage is gone; 0 when it is set
	File   *os.File // its directory, for the clone
}

// Make makes a cgroup with the limits that there are controllers for. Less memory
// than the launch needs is for Tighten.
func (t *Tree) Make(worker string, l Limits) (*Group, error) {
	g := &Group{dir: filepath.Join(t.dir, workerPrefix+worker)}
	if err := mkdir(g.dir); err != nil {
		return nil, err
	}
	err := g.limit(t, l)
	if err == nil {
		g.File, err = os.Open(g.dir)
	}
	if err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Group) limit(t *Tree, l Limits) error {
	var errs []error
	if t.Has(Memory) && l.Memory > 0 {
		if l.Memory < stageMemory {
			g.memory, l.Memory = l.Memory, stageMemory
		}
		errs = append(errs, put(g.dir, "memory.max", strconv.FormatUint(l.Memory, 10)), put(g.dir, "memory.oom.group", "1"))
		// A kernel without swap accounting has no such file, and a machine
		// without swap no use for it.
		if err := put(g.dir, "memory.swap.max", "0"); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if t.Has(PIDs) && l.Tasks > 0 {
		errs = append(errs, put(g.dir, "pids.max", strconv.FormatUint(uint64(l.Tasks), 10)))
	}
	if t.Has(CPU) && l.CPU > 0 {
		errs = append(errs, put(g.dir, "cpu.max", cpuMax(l.CPU)))
	}
	return errors.Join(errs...)
}

// Tighten sets the limit of memory, when the launch is over and it is a low one.
func (g *Group) Tighten() error {
	if g.memory == 0 {
		return nil
	}
	return put(g.dir, "memory.max", strconv.FormatUint(g.memory, 10))
}

// cpuMax writes hundredths of a processor as time in a period, in microseconds.
func cpuMax(hundredths uint32) string {
	const period = 100_000
	return fmt.Sprintf("%d %d", uint64(hundredths)*period/100, period)
}

// Kill ends every process in the group at once, those included that are being
// forked (cgroup.kill, Linux 5.14). On an older kernel one after the other, those
// that are there.
func (g *Group) Kill() error {
	err := put(g.dir, "cgroup.kill", "1")
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	pids, err := words(filepath.Join(g.dir, "cgroup.procs"))
	for _, text := range pids {
		if pid, err := strconv.Atoi(text); err == nil && pid > 0 {
			_ = unix.Kill(pid, unix.SIGKILL) // ESRCH: it is gone
		}
	}
	return err
}

// Close ends what is left in the group and removes it.
func (g *Group) Close() error {
	var errs []error
	for end := time.Now().Add(removeWithin); ; {
		err := g.Kill()
		empty := err == nil && g.waitEmpty()
		if empty || err != nil || time.Now().After(end) {
			errs = append(errs, err)
			break
		}
	}
	if g.File != nil {
		errs = append(errs, g.File.Close())
	}
	return errors.Join(append(errs, rmdir(g.dir))...)
}

const (
	removeWithin = time.Second            // for processes that were killed to be gone
	killAgain    = 100 * time.Millisecond // those that were forked meanwhile, on an older kernel
)

// waitEmpty waits a while for the last process to leave (cgroup.events).
func (g *Group) waitEmpty() bool {
	fd, err := unix.Open(filepath.Join(g.dir, "cgroup.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var buf [256]byte
	for end := time.Now().Add(killAgain); ; {
		n, err := unix.Pread(fd, buf[:], 0)
		if err == nil && strings.Contains(string(buf[:n]), "populated 0") {
			return true
		}
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		// The kernel wakes at a change (POLLPRI).
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, int(left.Milliseconds())+1)
	}
}

func mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func rmdir(dir string) error {
	if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

func put(dir, name, value string) error {
	// No O_CREAT: what the kernel has no file for is not there.
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
