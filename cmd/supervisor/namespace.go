package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/internal/install"
)

// namespaceFlag carries the identity of the IPC namespace over the exec.
const namespaceFlag = "in-ipc-namespace"

const namespaceLink = "/proc/thread-self/ns/ipc"

// kept are the capabilities the supervisor needs: namespaces and mounts, the
// look at its workers, their users and groups, their bounding sets, their end,
// the files of root, and ports below 1024. All others leave the bounding set
// before the exec, and the exec computes root's sets from it: so every thread
// starts without them (capset(2) would reach one thread only).
var kept = []uintptr{
	unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETPCAP,
	unix.CAP_KILL, unix.CAP_DAC_OVERRIDE, unix.CAP_NET_BIND_SERVICE,
}

// enterNamespace moves the calling thread into an IPC namespace of its own and
// executes this program again from it, so that every thread of the new image is
// inside (unshare(2) moves one thread only). It returns only an error.
//
// The namespace is what ends the queues: it goes with its last process, also
// after a kill -9 of the supervisor. With host it stays where it is, and the exec
// is for the capabilities alone; then a ledger tells what is left (package bus).
func enterNamespace(host bool) error {
	runtime.LockOSThread()
	if !host {
		if err := unix.Unshare(unix.CLONE_NEWIPC); err != nil {
			return fmt.Errorf("unshare: %w (a container needs CAP_SYS_ADMIN for this)", err)
		}
	}
	name, err := os.Readlink(namespaceLink)
	if err != nil {
		return err
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if slices.Contains(kept, c) {
			continue
		}
		// EINVAL: this kernel does not know the capability.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("drop capability %d from the bounding set: %w", c, err)
		}
	}
	args := slices.Concat([]string{os.Args[0], "-" + namespaceFlag + "=" + name}, os.Args[1:])
	return os.NewSyscallError("execve", unix.Exec("/proc/self/exe", args, os.Environ()))
}

// confirmNamespace checks that the exec left us where enterNamespace went, and
// closes this process to the eyes of every other user.
func confirmNamespace(want string) error {
	got, err := os.Readlink(namespaceLink)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("started in %s, but %s was prepared: do not set -%s by hand", got, want, namespaceFlag)
	}
	// The exec named the process after the link it went through; ps should say
	// what it is. A /proc without the file is no reason to stop.
	_ = os.WriteFile("/proc/self/comm", []byte("supervisor"), 0)
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

// wantsHost reads the configuration for the one thing that must be known before
// anything else. A mistake in it is reported when it is read again.
func wantsHost(o options) bool {
	owners, err := o.alsoOwner()
	if err != nil {
		return false
	}
	programs, err := install.Find()
	if err != nil {
		return false
	}
	cfg, err := programs.Rules(owners).Load(o.file)
	return err == nil && cfg.Supervisor.HostIPC
}
