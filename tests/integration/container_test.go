//go:build integration

package integration_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestContainerIsRootful: root in here is the machine's root, with every
// capability that the supervisor needs, so that what the tests show is what an
// installation does.
func TestContainerIsRootful(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatalf("user id %d, want 0", os.Getuid())
	}
	ids := strings.Fields(read(t, "/proc/self/uid_map"))
	if got := strings.Join(ids, " "); got != "0 0 4294967295" {
		t.Errorf("uid_map is %q: this root is only root of a user namespace", got)
	}
	var header unix.CapUserHeader
	var sets [2]unix.CapUserData
	header.Version = unix.LINUX_CAPABILITY_VERSION_3
	if err := unix.Capget(&header, &sets[0]); err != nil {
		t.Fatal(os.NewSyscallError("capget", err))
	}
	for name, bit := range map[string]uint{
		"SYS_ADMIN": unix.CAP_SYS_ADMIN, "SYS_PTRACE": unix.CAP_SYS_PTRACE, "SETUID": unix.CAP_SETUID, "SETGID": unix.CAP_SETGID,
		"SETPCAP": unix.CAP_SETPCAP, "KILL": unix.CAP_KILL, "DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE,
	} {
		if sets[bit/32].Effective&(1<<(bit%32)) == 0 {
			t.Errorf("CAP_%s is missing", name)
		}
	}
}

// TestContainerHasNoFilter: a filter around the supervisor would make the dump
// of the workers' filters impossible, and its errno could hide our verdicts.
func TestContainerHasNoFilter(t *testing.T) {
	if got := status(t, "self", "Seccomp"); got != "0" {
		t.Errorf("Seccomp is %s, want 0: the engine installed a filter", got)
	}
}

// TestContainerIsPrivate: processes, network, mounts and queues are the test's
// own, so that what is left behind is ours, and nothing of ours can stay.
func TestContainerIsPrivate(t *testing.T) {
	if os.Getpid() != 1 {
		t.Errorf("process id %d, want 1: other processes are in sight", os.Getpid())
	}
	for line := range strings.Lines(read(t, "/proc/self/net/dev")) {
		name, _, found := strings.Cut(strings.TrimSpace(line), ":")
		if found && name != "lo" {
			t.Errorf("network interface %s, want lo alone", name)
		}
	}
	for line := range strings.Lines(read(t, "/proc/self/mountinfo")) {
		// "36 35 98:0 /folder /point options - type device options"
		before, after, _ := strings.Cut(line, " - ")
		fields, point := strings.Fields(after), strings.Fields(before)[4]
		about, err := os.Stat(point)
		if strings.HasPrefix(fields[1], "/dev/") && err == nil && about.IsDir() {
			t.Errorf("the folder %s is on the machine's %s", point, fields[1])
		}
	}
	if rows := queues(t); rows != 0 {
		t.Errorf("%d queues before any test, want 0", rows)
	}
}
