package seccomp_test

import (
	"strings"
	"testing"

	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// Each line would give a worker something back; with acknowledge { } and a
// reason it is admitted, and does what it says.
func TestUndoes(t *testing.T) {
	for _, line := range []string{
		"ioctl", "ioctl: arg0 == 3", "ioctl: arg1 & 0xff == 1", "ioctl: arg1 == TIOCSTI", "clone3", "socketpair", "msgget", "msgctl", "kill", "kill: arg1 == 0",
		"tgkill", "tgkill: arg2 == 9", "prctl", "prctl: arg0 == PR_SET_PDEATHSIG", "fcntl", "fcntl: arg1 == F_SETOWN", "fcntl: arg1 in {F_GETFD, F_SETPIPE_SZ}",
		"arch amd64 arm64 { mmap }", "arch arm { mmap2: arg3 == 2 }", "mprotect", "mprotect: arg2 == 7", "socket", "socket: arg1 == 1", "msgsnd: arg3 == 0",
		"msgrcv: arg0 in $receive_queues", "msgrcv: arg4 == 0", "msgrcv: arg0 == 3 && arg4 in {0, MSG_COPY}", "start { ioctl }", "pidfd_getfd", "personality", "open_by_handle_at",
		"arch amd64 arm { fork }",
	} {
		p, err := seccomp.Parse("p", files("p", "read\n"+line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		err = p.Undoes()
		if err == nil || !strings.Contains(err.Error(), "p.policy:2:") || !strings.Contains(err.Error(), "undoes a part of the confinement") {
			t.Errorf("%s: %v", line, err)
		}
		p, err = seccomp.Parse("p", files("p", "read\nacknowledge { "+line+" } # the reason"))
		if err != nil || p.Undoes() != nil || len(p.Acknowledged()) != 1 {
			t.Errorf("%s, acknowledged: %v", line, err)
		}
	}
}

func TestUndoesNothing(t *testing.T) {
	for _, line := range []string{
		"ioctl: arg1 == I2C_SMBUS", "ioctl: return ENOTTY", "clone3: return ENOSYS", "tgkill: arg0 == $self_pid", "prctl: arg0 == PR_SET_VMA && arg1 == 0",
		"fcntl: arg1 == F_GETFL; return EPERM", "arch amd64 arm64 { mmap: arg2 & PROT_EXEC == 0 }", "start { arch amd64 arm64 { mmap }; mprotect }", "socket: arg0 == AF_UNIX",
		"msgrcv: arg0 in $receive_queues && arg4 in {0, IPC_NOWAIT}",
	} {
		p, err := seccomp.Parse("p", files("p", "read\n"+line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if err := p.Undoes(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, role := range policy.Roles {
		p, err := seccomp.Parse(role, policy.Files)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Undoes(); err != nil || len(p.Acknowledged()) > 0 {
			t.Errorf("%s: %v, %v", role, err, p.Acknowledged())
		}
	}
}

// What no profile may have, it may have when it says so, with a reason.
func TestAcknowledge(t *testing.T) {
	for text, want := range map[string]string{
		"read\nptrace # a debugger":                                    "ptrace is never admitted",
		"read\nacknowledge { ptrace }":                                 "p.policy:2:15: an acknowledgement without a reason",
		"read\nacknowledge { clone: arg0 == CLONE_NEWUSER }":           "without a reason",
		"read\nacknowledge {\n\texecve # it starts others\n}":          "execve is not for profiles",
		"read\nacknowledge {\n\tmount # for a while\n":                 "the file ends inside a block",
		"read\nacknowledge {\n\tptrace: arg0 == 16 # PTRACE_ATTACH\n}": "no conditions on ptrace",
	} {
		_, err := seccomp.Parse("p", files("p", text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	b := bind(t, seccomp.AMD64, nil, "read\nacknowledge {\n\tptrace # a debugger\n\tclone: arg0 == CLONE_NEWUSER # its own users\n}")
	d := b.Decide(seccomp.Running, number(t, seccomp.AMD64, "ptrace"), [6]uint64{})
	if d.Action != seccomp.Allow || !d.Acknowledged {
		t.Errorf("%+v", d)
	}
	if d := b.Decide(seccomp.Running, number(t, seccomp.AMD64, "mount"), [6]uint64{}); d.Action != seccomp.Kill {
		t.Errorf("%+v", d)
	}
	for _, r := range b.Rules() {
		if r.Call == "ptrace" && r.Verdict != seccomp.FilterAllow {
			t.Errorf("%+v", r)
		}
	}
}
