package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Controllers that are used, each for one limit.
const (
	Memory = "memory"
	PIDs   = "pids"
	CPU    = "cpu"
)

var wanted = []string{Memory, PIDs, CPU}

// Place is a cgroup of this process's own in which workers can have theirs.
type Place struct {
	dir         string
	root        bool // of the whole tree
	prepared    bool // by a supervisor before this one, which may still be there
	Controllers []string
}

// Has says whether a limit of that controller can be set.
func (p *Place) Has(controller string) bool {
	return p != nil && slices.Contains(p.Controllers, controller)
}

// Find looks for it. others says that this process is not the supervisor but one
// that is going to start it, so that two will be there. The error says why there
// is none.
func Find(others bool) (*Place, error) { return find("/", os.Getpid(), others) }

func find(root string, pid int, others bool) (*Place, error) {
	mount, err := mounted(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	own, err := self(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil, err
	}
	p := &Place{dir: filepath.Join(root, mount, own)}
	if filepath.Base(own) == leafName && isPrepared(filepath.Dir(p.dir)) {
		// A supervisor prepared it, and executed or started this process.
		p.dir, p.prepared = filepath.Dir(p.dir), true
	}
	given, err := words(filepath.Join(p.dir, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	for _, c := range wanted {
		if slices.Contains(given, c) {
			p.Controllers = append(p.Controllers, c)
		}
	}
	if len(p.Controllers) == 0 {
		return nil, fmt.Errorf("the cgroup %s has none of the controllers %s (version 1 or another owner has them)", own, strings.Join(wanted, ", "))
	}
	if err := writable(p.dir); err != nil {
		return nil, err
	}
	// The root alone has no type; no rule about processes holds there.
	if _, err := os.Stat(filepath.Join(p.dir, "cgroup.type")); errors.Is(err, os.ErrNotExist) {
		p.root = true
		return p, nil
	}
	if p.prepared {
		return p, nil
	}
	inside, err := words(filepath.Join(p.dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	if others || len(inside) != 1 || inside[0] != strconv.Itoa(pid) {
		return nil, fmt.Errorf("the cgroup %s is not the supervisor's alone (systemd: a unit with Delegate=yes)", own)
	}
	return p, nil
}

// isPrepared says whether a supervisor has made a cgroup its workers' place: it
// gives controllers on, and nobody is in it.
func isPrepared(dir string) bool {
	given, err := words(filepath.Join(dir, "cgroup.subtree_control"))
	inside, procsErr := words(filepath.Join(dir, "cgroup.procs"))
	return err == nil && procsErr == nil && len(given) > 0 && len(inside) == 0
}

// mounted is the mount point of the tree of version 2.
func mounted(mountinfo string) (string, error) {
	text, err := os.ReadFile(mountinfo)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		// "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw" (proc_pid_mountinfo(5))
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			return fields[4], nil
		}
	}
	return "", errors.New("no cgroup tree of version 2 is mounted")
}

// self is the path of this process's cgroup below the mount point.
func self(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			if strings.Contains(path, "..") {
				return "", fmt.Errorf("the cgroup %s is outside of what is mounted", path)
			}
			return path, nil
		}
	}
	return "", errors.New("this process is in no cgroup of version 2")
}

func words(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	return strings.Fields(string(text)), err
}

// writable tries without a change.
func writable(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "cgroup.subtree_control"), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("controllers cannot be given on: %w", err)
	}
	return f.Close()
}

// Available looks at the root of the tree of version 2 below root, "/" but for a
// test, for what a service manager could give on. Nothing can be opened in it.
func Available(root string) (*Place, error) {
	mount, err := mounted(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	p := &Place{}
	p.Controllers, err = words(filepath.Join(root, mount, "cgroup.controllers"))
	return p, err
}
