package launch_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/seccomp/pidpin"
	"sallyport/internal/testenv"
)

func TestStartShowsConfinement(t *testing.T) {
	testenv.NeedRoot(t)
	must(t, launch.Probe())
	// Tasks are counted per user: an id that no other test uses.
	uid := uint32(63000 + os.Getpid()%1000)
	v := start(t, newLauncher(t), launch.Spec{UID: uid, GID: launchtest.GID, OpenFiles: 32, Tasks: 24, Data: 96 << 20, FileSize: 1 << 20})
	must(t, v.Expect("up"))
	if v.Phase() != launch.Starting {
		t.Errorf("phase %v", v.Phase())
	}
	proc := fmt.Sprintf("/proc/%d/", v.PID())
	text, err := os.ReadFile(proc + "status")
	must(t, err)
	for _, line := range []string{
		"Seccomp:\t2", "NoNewPrivs:\t1", "Groups:\t ",
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
		fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d", uid),
		fmt.Sprintf("Gid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d", launchtest.GID),
	} {
		if !strings.Contains("\n"+string(text), "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	limits, err := os.ReadFile(proc + "limits")
	must(t, err)
	for name, want := range map[string]string{
		"Max open files": "32 32", "Max processes": "24 24", "Max data size": "100663296 100663296",
		"Max file size": "1048576 1048576", "Max core file size": "0 0", "Max locked memory": "0 0", "Max realtime priority": "0 0",
	} {
		for line := range strings.Lines(string(limits)) {
			if rest, ok := strings.CutPrefix(line, name); ok && !strings.HasPrefix(strings.Join(strings.Fields(rest), " "), want) {
				t.Errorf("%s: %s, want %s", name, rest, want)
			}
		}
	}
	stat, err := os.ReadFile(proc + "stat")
	must(t, err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	if session := strings.Fields(rest)[3]; session != fmt.Sprint(v.PID()) {
		t.Errorf("session %s, want its own", session)
	}
	environ, err := os.ReadFile(proc + "environ")
	must(t, err)
	if want := strings.Join(launchtest.Env, "\x00") + "\x00"; string(environ) != want {
		t.Errorf("environment %q, want %q", environ, want)
	}
}

func TestStartEmptyReadOnlyRoot(t *testing.T) {
	testenv.NeedRoot(t)
	v := start(t, newLauncher(t), launch.Spec{})
	must(t, v.Expect("up"))
	root := fmt.Sprintf("/proc/%d/root/", v.PID())
	entries, err := os.ReadDir(root)
	must(t, err)
	if len(entries) != 0 {
		t.Errorf("the root holds %v", entries)
	}
	if err := os.WriteFile(root+"x", nil, 0o600); !isErrno(err, unix.EROFS) {
		t.Errorf("a file in the root: %v, want EROFS", err)
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", v.PID()))
	must(t, err)
	if n := strings.Count(string(mounts), "\n"); n != 1 {
		t.Errorf("%d mounts, want the root alone:\n%s", n, mounts)
	}
}

func TestStartDescriptorTable(t *testing.T) {
	testenv.NeedRoot(t)
	// One that is inherited unless the stage sees to it.
	leak, err := unix.Open("/etc/hostname", unix.O_RDONLY, 0)
	must(t, err)
	defer unix.Close(leak)
	v := start(t, newLauncher(t), launch.Spec{})
	must(t, v.Expect("up"))
	dir := fmt.Sprintf("/proc/%d/fd/", v.PID())
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		link, err := os.Readlink(dir + e.Name())
		must(t, err)
		switch {
		case strings.Contains("0 1 2", e.Name()) && link == "/dev/null":
		case e.Name() == "3" && strings.HasPrefix(link, "socket:"):
		case link == "anon_inode:[eventpoll]", link == "anon_inode:[eventfd]":
		default:
			t.Errorf("descriptor %s is %s", e.Name(), link)
		}
	}
}

func TestStartOwnNamespaces(t *testing.T) {
	testenv.NeedRoot(t)
	v := start(t, newLauncher(t), launch.Spec{})
	for name, own := range map[string]bool{"mnt": true, "net": true, "uts": true, "cgroup": true, "ipc": false, "pid": false, "user": false} {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", v.PID(), name))
		must(t, err)
		ours, err := os.Readlink("/proc/self/ns/" + name)
		must(t, err)
		if (theirs != ours) != own {
			t.Errorf("%s namespace: worker %s, supervisor %s", name, theirs, ours)
		}
	}
}

// What only the worker itself can see.
func TestStartProcessFlags(t *testing.T) {
	testenv.NeedRoot(t)
	v := start(t, newLauncher(t), launch.Spec{})
	must(t, v.Expect("up"))
	for _, answer := range []string{"securebits=239", "death-signal=9"} {
		word, _, _ := strings.Cut(answer, "=")
		must(t, v.Tell(word))
		must(t, v.Expect(answer))
	}
	if _, err := unix.PrctlRetInt(unix.PR_GET_MDWE, 0, 0, 0, 0); err != nil {
		testenv.Need(t, "PR_SET_MDWE (Linux 6.3)", err)
	}
	must(t, v.Tell("mdwe"))
	must(t, v.Expect("mdwe=1"))
	must(t, v.Tell("map-wx"))
	must(t, v.Expect("map-wx=13")) // EACCES
}

func TestStartStdout(t *testing.T) {
	testenv.NeedRoot(t)
	var pipe [2]int
	must(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	out, in := os.NewFile(uintptr(pipe[0]), "out"), os.NewFile(uintptr(pipe[1]), "in")
	defer out.Close()
	v := start(t, newLauncher(t), launch.Spec{Stdout: in, Args: []string{"victim", "stdout"}})
	must(t, in.Close())
	must(t, v.Expect("stdout=0"))
	must(t, v.Tell("exit"))
	var buf [64]byte
	n, err := out.Read(buf[:])
	if err != nil || string(buf[:n]) != "hello\n" {
		t.Errorf("stdout %q, %v", buf[:n], err)
	}
	if n, err := out.Read(buf[:]); n != 0 || err == nil {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
}

// Supervisors that are not as the one of the other tests.
func TestStartUnderOtherSupervisors(t *testing.T) {
	testenv.NeedRoot(t)
	for name, attr := range map[string]*syscall.SysProcAttr{
		"mounts": {Cloneflags: syscall.CLONE_NEWNS},
		"limit":  nil,
	} {
		cmd, release, err := role(name, attr)
		must(t, err)
		cmd.Stderr = nil
		if _, err := cmd.Output(); err != nil {
			said := ""
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				said = string(exit.Stderr)
			}
			t.Errorf("%s: %v: %s", name, err, said)
		}
		release()
	}
}

// A filter made before the process knows the process.
func TestStartPinsPID(t *testing.T) {
	testenv.NeedRoot(t)
	filter := launchtest.Own()
	v := start(t, newLauncher(t), launch.Spec{Filter: filter})
	must(t, v.Expect("up"))
	must(t, v.Tell("pgid-own"))
	must(t, v.Expect("pgid-own=0"))
	if n, _ := v.ExecNotice(); n.Filter != sha256.Sum256(pidpin.Pin(filter, v.PID())) || n.Filter == sha256.Sum256(filter) {
		t.Errorf("hash %x is not the loaded filter's", n.Filter)
	}
	must(t, v.Tell("pgid-other"))
	exit, err := v.Gone()
	must(t, err)
	if exit.Breach == nil || exit.Breach.Nr != unix.SYS_GETPGID || exit.Breach.Args[0] != 1 {
		t.Errorf("exit %+v", exit)
	}
}
