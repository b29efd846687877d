package cgroup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/cgroup"
	"sallyport/internal/testenv"
)

const mountinfo = `22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
30 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw
`

// tree is a folder that looks like a system, made of plain files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// delegated is a system on which the unit of process 77 has a cgroup of its own.
func delegated() map[string]string {
	const unit = "sys/fs/cgroup/system.slice/sallyport.service/"
	return map[string]string{
		"proc/self/mountinfo": mountinfo, "proc/self/cgroup": "0::/system.slice/sallyport.service\n",
		unit + "cgroup.controllers": "cpuset cpu io memory pids\n", unit + "cgroup.subtree_control": "", unit + "cgroup.type": "domain\n",
		unit + "cgroup.procs": "77\n",
	}
}

func TestFind(t *testing.T) {
	const unit = "sys/fs/cgroup/system.slice/sallyport.service/"
	for name, c := range map[string]struct {
		change func(map[string]string)
		others bool
		want   []string
		says   string
	}{
		"delegated": {func(map[string]string) {}, false, []string{"memory", "pids", "cpu"}, ""},
		"some":      {func(f map[string]string) { f[unit+"cgroup.controllers"] = "pids\n" }, false, []string{"pids"}, ""},
		"hybrid":    {func(f map[string]string) { f[unit+"cgroup.controllers"] = "hugetlb\n" }, false, nil, "none of the controllers memory, pids, cpu"},
		"shared":    {func(f map[string]string) { f[unit+"cgroup.procs"] = "77\n78\n" }, false, nil, "Delegate=yes"},
		"foreign":   {func(f map[string]string) { f[unit+"cgroup.procs"] = "78\n" }, false, nil, "Delegate=yes"},
		"to start":  {func(map[string]string) {}, true, nil, "Delegate=yes"},
		"version 1": {func(f map[string]string) { f["proc/self/mountinfo"] = "22 28 0:20 / /sys rw - sysfs sysfs rw\n" }, false, nil, "no cgroup tree of version 2"},
		"no group":  {func(f map[string]string) { f["proc/self/cgroup"] = "4:memory:/\n" }, false, nil, "in no cgroup of version 2"},
		"outside":   {func(f map[string]string) { f["proc/self/cgroup"] = "0::/../x\n" }, false, nil, "outside"},
		"read-only": {func(f map[string]string) { delete(f, unit+"cgroup.subtree_control") }, false, nil, "cannot be given on"},
		"successor": {func(f map[string]string) {
			f["proc/self/cgroup"] = "0::/system.slice/sallyport.service/supervisor\n"
			f[unit+"cgroup.procs"], f[unit+"cgroup.subtree_control"] = "", "memory pids\n"
			f[unit+"supervisor/cgroup.procs"] = "77\n78\n"
		}, false, []string{"memory", "pids", "cpu"}, ""},
		"of that name": {func(f map[string]string) {
			f["proc/self/cgroup"] = "0::/system.slice/sallyport.service/supervisor\n"
			f[unit+"supervisor/cgroup.procs"], f[unit+"supervisor/cgroup.controllers"] = "77\n78\n", "memory\n"
			f[unit+"supervisor/cgroup.subtree_control"], f[unit+"supervisor/cgroup.type"] = "", "domain\n"
		}, false, nil, "Delegate=yes"},
		"root": {func(f map[string]string) {
			delete(f, unit+"cgroup.type")
			f[unit+"cgroup.procs"] = "1\n2\n"
		}, true, []string{"memory", "pids", "cpu"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := delegated()
			c.change(files)
			p, err := cgroup.FindBelow(tree(t, files), 77, c.others)
			switch {
			case c.says != "":
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want %q in it", err, c.says)
				}
			case err != nil:
				t.Error(err)
			case !slices.Equal(p.Controllers, c.want):
				t.Errorf("controllers %q, want %q", p.Controllers, c.want)
			}
		})
	}
}

// What is written where; the kernel would make the files of a new directory, here
// they are made before.
func TestOpenAndMake(t *testing.T) {
	const unit = "sys/fs/cgroup/system.slice/sallyport.service/"
	files := delegated()
	for _, name := range []string{"memory.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.kill"} {
		files[unit+"worker-a/"+name] = ""
	}
	files[unit+"worker-a/cgroup.events"] = "populated 0\n"
	files[unit+"supervisor/cgroup.procs"] = ""
	root := tree(t, files)
	if err := os.Mkdir(filepath.Join(root, unit, "worker-left"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := cgroup.FindBelow(root, 77, false)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := p.Open("sensor-logger")
	if err != nil {
		t.Fatal(err)
	}
	g, err := groups.Make("a", cgroup.Limits{Memory: 64 << 20, Tasks: 16, CPU: 25})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.Tighten(), g.Kill(), g.File.Close()); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"supervisor/cgroup.procs": strconv.Itoa(os.Getpid()), "cgroup.subtree_control": "+memory +pids +cpu",
		"worker-a/memory.max": "67108864", "worker-a/memory.oom.group": "1", "worker-a/pids.max": "16", "worker-a/cpu.max": "25000 100000",
		"worker-a/cgroup.kill": "1",
	} {
		if text, err := os.ReadFile(filepath.Join(root, unit, name)); err != nil || string(text) != want {
			t.Errorf("%s: %q (%v), want %q", name, text, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(root, unit, "worker-left")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what an earlier supervisor left: %v", err)
	}
}

// A limit below what the launch needs waits until it is over.
func TestTighten(t *testing.T) {
	const unit = "sys/fs/cgroup/system.slice/sallyport.service/"
	files := delegated()
	files[unit+"cgroup.controllers"] = "memory\n"
	files[unit+"worker-a/memory.max"], files[unit+"worker-a/memory.oom.group"] = "", ""
	files[unit+"supervisor/cgroup.procs"] = ""
	root := tree(t, files)
	p, err := cgroup.FindBelow(root, 77, false)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := p.Open("x")
	if err != nil {
		t.Fatal(err)
	}
	g, err := groups.Make("a", cgroup.Limits{Memory: 4 << 20, Tasks: 1, CPU: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer g.File.Close()
	max := func(want string) {
		t.Helper()
		if text, err := os.ReadFile(filepath.Join(root, unit, "worker-a/memory.max")); err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("memory.max is %q (%v), want %s", text, err, want)
		}
	}
	max("33554432")
	if err := g.Tighten(); err != nil {
		t.Error(err)
	}
	max("4194304")
}

func TestCPUMax(t *testing.T) {
	for hundredths, want := range map[uint32]string{1: "1000 100000", 50: "50000 100000", 400: "400000 100000"} {
		if got := cgroup.CPUMax(hundredths); got != want {
			t.Errorf("%d: %q, want %q", hundredths, got, want)
		}
	}
}

// TestKillRealGroup: in the kernel's own tree, a shell and what it forked are
// ended together, and the group is gone. No controller is needed for that.
func TestKillRealGroup(t *testing.T) {
	testenv.NeedRoot(t)
	dir := realTree(t)
	g, err := cgroup.At(dir).Make("a", cgroup.Limits{Memory: 1 << 30, Tasks: 10, CPU: 10})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "sleep 600 & sleep 600 & echo up; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.File.Fd())}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(errors.Join(err, g.Close()))
	}
	var up [3]byte
	if _, err := out.Read(up[:]); err != nil || string(up[:]) != "up\n" {
		t.Errorf("%q, %v", up, err)
	}
	pids, err := os.ReadFile(filepath.Join(dir, "worker-a/cgroup.procs"))
	if n := len(strings.Fields(string(pids))); err != nil || n != 3 {
		t.Errorf("%d processes in the group (%v), want the shell and two", n, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); cmd.ProcessState == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("the shell ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "worker-a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group is still there: %v", err)
	}
}

// realTree is a cgroup for the test in the tree of version 2, wherever it is.
func realTree(t *testing.T) string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " - cgroup2 ") {
			dir := filepath.Join(strings.Fields(line)[4], fmt.Sprintf("sallyport-test-%d", os.Getpid()))
			testenv.Need(t, "a cgroup tree of version 2 that can be written", os.Mkdir(dir, 0o755))
			t.Cleanup(func() {
				if err := unix.Rmdir(dir); err != nil {
					t.Error(err)
				}
			})
			return dir
		}
	}
	t.Skip("needs a cgroup tree of version 2")
	return ""
}
