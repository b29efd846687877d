package doctor

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/cgroup"
	"sallyport/internal/landlock"
	"sallyport/internal/launch"
	"sallyport/internal/sys"
)

// actions that a worker's filter uses, by the kernel's names for them.
var actions = []string{"kill_process", "errno", "user_notif", "allow"}

func seccompHere(h Host) []Finding {
	if err := launch.Probe(); err != nil {
		return one("seccomp", Fail, "a kernel from 5.11 on with CONFIG_SECCOMP_FILTER; in docker: --security-opt seccomp=unconfined", "%v", err)
	}
	if text, err := h.read("proc/sys/kernel/seccomp/actions_avail"); err == nil {
		for _, a := range actions {
			if !slices.Contains(strings.Fields(text), a) {
				return one("seccomp", Fail, "a kernel from 5.11 on", "the kernel's filters have no action %s (they have %s)", a, strings.TrimSpace(text))
			}
		}
	}
	notice, answer, err := sys.SeccompNoticeSizes()
	if err != nil {
		return one("seccomp", Fail, "", "%v", err)
	}
	return one("seccomp", OK, "", "filters, notices of %d bytes and answers of %d, pidfd_getfd, close_range", notice, answer)
}

// ownFilters finds the filter of a container engine or a unit around us, which a
// supervisor would inherit.
func ownFilters(h Host) []Finding {
	n, err := attest.OwnFilters()
	switch {
	case err != nil:
		return one("own filters", Warn, "", "%v", err)
	case n == 0:
		return one("own filters", OK, "", "none: the filters of workers are the only ones")
	}
	fix, who := "systemd: no SystemCallFilter= in the unit and nothing that implies one (ProtectKernel..., RestrictNamespaces=, ...)", ""
	if _, err := os.Stat(h.path(".dockerenv")); err == nil {
		fix, who = "docker run --security-opt seccomp=unconfined ...", " (docker's default profile)"
	}
	return one("own filters", Warn, fix, "%d around this process%s: a call that it refuses fails in a worker before our filter is asked, a call that it kills for is no breach with a name, "+
		"namespaces or mounts may be refused, and proof level 4 cannot be had", n, who)
}

func filterDump(h Host) []Finding {
	if h.Euid != 0 {
		return one("filter dump", Warn, "run as root, or keep proof = 3", "the kernel gives filters out to root alone: proof level 4 cannot be had")
	}
	if err := attest.Dumps(); err != nil {
		return one("filter dump", Warn, "see the line above, or keep proof = 3", "proof level 4 cannot be had: %v", err)
	}
	return one("filter dump", OK, "", "the kernel gives filters out: proof level 4 can be had")
}

func libseccomp(h Host) []Finding {
	version, err := h.Libseccomp()
	if err != nil {
		return one("libseccomp", Fail, "apt install libseccomp2 (dnf install libseccomp), and keep `supervisor` beside `sallyport`", "%v", err)
	}
	return one("libseccomp", OK, "", "%s", version)
}

func landlockHere(Host) []Finding {
	abi, err := landlock.ABI()
	if err != nil {
		return one("landlock", Warn, `supervisor { waive = ["landlock"] }`, "%v: the filter and the empty root confine alone", err)
	}
	says := fmt.Sprintf("ABI %d", abi)
	if landlock.Handled(abi) != landlock.Handled(abi+100) {
		says += ": files; what newer ones add (TCP, device ioctls, signals) the filter forbids alone"
	}
	return one("landlock", OK, "", "%s", says)
}

// cgroups says what the tree has; whether the supervisor has a cgroup of its own
// is known only when it runs.
func cgroups(h Host) []Finding {
	waive := `supervisor { waive = ["cgroup-memory"] }`
	given, err := cgroup.Available(h.Root)
	switch {
	case err != nil:
		return one("cgroups", Warn, waive, "%v: limits are those of the process alone (data segment, tasks by user, file size)", err)
	case !given.Has(cgroup.Memory):
		return one("cgroups", Warn, waive+"; for more: a Raspberry Pi needs cgroup_enable=memory in cmdline.txt, a hybrid tree systemd.unified_cgroup_hierarchy=1",
			"version 2 has %q and no controller memory: the data segment carries the limit", given.Controllers)
	}
	return one("cgroups", OK, "", "version 2 has %q; a unit gets its own by Delegate=yes", given.Controllers)
}

func kernel(Host) []Finding {
	all := one("page size", OK, "", "%d KiB", os.Getpagesize()>>10)
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		all = append(all, one("pidfd", Fail, "a kernel from 5.11 on", "pidfd_open: %v", err)...)
	} else {
		unix.Close(fd)
		all = append(all, one("pidfd", OK, "", "processes are named by descriptors")...)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return append(all, one("SO_PASSRIGHTS", Fail, "", "socketpair: %v", err)...)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if err := unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0); err != nil {
		// Nothing is amiss: every descriptor that comes is collected and closed.
		return append(all, one("SO_PASSRIGHTS", OK, "", "not here (Linux 6.16): descriptors that a worker sends arrive, and are closed and held against it")...)
	}
	return append(all, one("SO_PASSRIGHTS", OK, "", "the kernel refuses descriptors that a worker sends")...)
}
