package seccomp

import (
	"fmt"
	"maps"
	"slices"
)

//go:generate go run ./gen

// CallName is the name of a system call as the manual pages have it, or
// "call 1234" when the architecture has no call of that number.
func CallName(a Arch, nr uint32) string {
	if name, ok := callNames(a)[nr]; ok {
		return name
	}
	if a == AMD64 && nr&x32Bit != 0 && nr != ^uint32(0) {
		if name, ok := callNames(a)[nr&^x32Bit]; ok {
			return "x32 " + name
		}
	}
	return fmt.Sprintf("call %d", int32(nr))
}

// CallNumber is the number of a system call.
func CallNumber(a Arch, name string) (uint32, bool) {
	nr, ok := callTable[a][name]
	return nr, ok
}

// callNames inverts callTable. Where a table has two names for one number the
// one that sorts first is taken; only the arm table has such pairs.
var callNames = func() func(Arch) map[uint32]string {
	byArch := make(map[Arch]map[uint32]string)
	for a, table := range callTable {
		byArch[a] = make(map[uint32]string, len(table))
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(table))) {
			byArch[a][table[name]] = name
		}
	}
	return func(a Arch) map[uint32]string { return byArch[a] }
}()

// callArchs is the set of architectures that have a call of that name.
func callArchs(name string) archSet {
	var s archSet
	for _, a := range Archs {
		if _, ok := callTable[a][name]; ok {
			s |= 1 << a
		}
	}
	return s
}

// never are the calls that no phase and no profile admits: the filter itself
// kills the process. Each of them reaches past the descriptors of a worker: into
// other processes, the kernel's own code, or what a name resolves to.
var never = []string{
	"ptrace", "process_vm_readv", "process_vm_writev",
	"bpf", "perf_event_open", "userfaultfd",
	"mount", "umount", "umount2", "pivot_root", "chroot", "setns", "unshare",
	"open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
	"keyctl", "add_key", "request_key",
	"io_uring_setup", "io_uring_enter", "io_uring_register",
}

// Never lists the calls that the filter kills the process for, on that
// architecture, whatever the profile says.
func Never(a Arch) []string {
	var out []string
	for _, name := range never {
		if _, ok := callTable[a][name]; ok {
			out = append(out, name)
		}
	}
	return out
}

// launchOnly are the calls that replace the program: the launch admits one of
// them by phase, so a profile has no say in it.
var launchOnly = []string{"execve", "execveat"}
