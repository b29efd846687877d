package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// namespaces tries what the supervisor does first.
func namespaces(h Host) []Finding {
	limits, err := h.Namespaces()
	if err != nil {
		fix := "run as root; in a container: --cap-add SYS_ADMIN and seccomp=unconfined"
		if h.Euid != 0 {
			fix = "see the next line"
		}
		return one("IPC namespace", Fail, fix, "cannot be made: %v", err)
	}
	if limits != nil {
		return one("IPC namespace", Warn, "mount /proc/sys writable, or keep lanes below kernel.msgmnb", "its own, but its limits cannot be written (%v): lanes hold what kernel.msgmnb allows", limits)
	}
	return one("IPC namespace", OK, "", "its own, and its limits can be written")
}

// userNamespaces are what somebody who is not root needs.
func userNamespaces(h Host) []Finding {
	level, need := Warn, "only somebody who is not root needs them"
	if h.Euid != 0 {
		level, need = Fail, "without root nothing runs without them"
	}
	for _, s := range []struct{ file, name, wrong string }{
		{"proc/sys/user/max_user_namespaces", "user.max_user_namespaces=1000", "0"},
		{"proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone=1", "0"},
		{"proc/sys/kernel/apparmor_restrict_unprivileged_userns", "kernel.apparmor_restrict_unprivileged_userns=0", "1"},
	} {
		if value, err := h.read(s.file); err == nil && strings.TrimSpace(value) == s.wrong {
			return one("user namespaces", level, "sudo sysctl -w "+s.name, "users may have none (/%s is %s); %s", s.file, s.wrong, need)
		}
	}
	if _, err := os.Stat(h.path("proc/self/ns/user")); err != nil {
		return one("user namespaces", level, "a kernel with CONFIG_USER_NS", "this kernel has none; %s", need)
	}
	return one("user namespaces", OK, "", "users may have them")
}

// InNamespacesFlag is the argument with which Child runs this program.
const InNamespacesFlag = "--in-namespaces"

// Child runs self with args in an IPC namespace, without root in a user namespace
// as well, and gives what InNamespaces printed there.
func Child(self string, args ...string) (limits, err error) {
	cmd := exec.Command(self, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWCGROUP}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(string(out)); text != "" {
		return fmt.Errorf("%s", text), nil
	}
	return nil, nil
}

// InNamespaces is the child's part: it raises a limit of its IPC namespace, which
// goes with it, and returns why it cannot.
func InNamespaces() error {
	const file = "/proc/sys/kernel/msgmnb"
	now, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(now)))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(strconv.Itoa(n+1)), 0)
}
