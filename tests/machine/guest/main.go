// Command guest is the first process of an emulated machine: see tests/machine.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/tests/machine"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: is the first process of an emulated machine, and of nothing else")
		os.Exit(2)
	}
	if err := run(); err != nil {
		say(machine.MarkSaid, "guest: ", err)
	}
	say(machine.MarkDone)
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {} // a machine that cannot switch itself off is ended by its host
}

func say(words ...any) { fmt.Println(fmt.Sprint(words...)) }

func run() error {
	if err := leaveInitramfs(); err != nil {
		return err
	}
	if err := mounts(); err != nil {
		return err
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	say("\n", machine.MarkKernel, unix.ByteSliceToString(u.Release[:]), " ", unix.ByteSliceToString(u.Machine[:]))
	if err := loopback(); err != nil {
		return err
	}
	plan, err := os.ReadFile(machine.Plan)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(plan)) {
		words := strings.Fields(line)
		switch {
		case len(words) >= 2 && words[0] == "module":
			err = module(words[1], strings.Join(words[2:], " "))
		case len(words) == 2 && words[0] == "env":
			name, value, _ := strings.Cut(words[1], "=")
			err = os.Setenv(name, value)
		case len(words) >= 4 && words[0] == "test":
			test(words[1], words[2], words[3], words[4:])
		default:
			err = fmt.Errorf("%s: %q is no line of a plan", machine.Plan, line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mounts makes the file systems that programs expect. Children come to life with
// the console as their output, so that what one prints that outlives its test
// delays nothing.
func mounts() error {
	for _, m := range []struct{ kind, dir, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"devtmpfs", "/dev", ""},
		{"devpts", "/dev/pts", "ptmxmode=0666"},
		{"tmpfs", "/dev/shm", ""},
		{"mqueue", "/dev/mqueue", ""},
		{"tmpfs", "/tmp", "mode=1777"},
		{"tmpfs", "/run", "mode=0755"},
		{"cgroup2", "/sys/fs/cgroup", ""},
		{"debugfs", "/sys/kernel/debug", ""},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, m.options); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	return nil
}

// loopback brings the interface lo up.
func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	defer unix.Close(s)
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, up); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return nil
}

func module(file, parameters string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), parameters, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load %s: %w", file, err)
	}
	return nil
}

func test(name, dir, file string, args []string) {
	say(machine.MarkBegin, name)
	cmd := exec.Command(file, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stdout
	cmd.Env = append(os.Environ(), "PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp")
	err := cmd.Run()
	status := 0
	if exit, exited := errors.AsType[*exec.ExitError](err); exited {
		status = exit.ExitCode()
	} else if err != nil {
		say("guest: ", err)
		status = 127
	}
	reap()
	// Behind the last words of an orphan, on a line of its own.
	fmt.Printf("\n%s%s %d\n", machine.MarkEnd, name, status)
}

// reap waits for orphans that have ended: the first process is their parent.
func reap() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
