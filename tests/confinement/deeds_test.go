package confinement_test

import "golang.org/x/sys/unix"

// deed is one thing to try: system calls, of which the last one counts.
type deed struct {
	name  string
	calls [][]any // number and arguments; see testdata/deed.c for words
	amd64 bool    // only there
}

func one(nr int, args ...any) [][]any { return [][]any{append([]any{nr}, args...)} }

const (
	rw   = unix.PROT_READ | unix.PROT_WRITE
	anon = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	high = 0x7ead << 32 // what the kernel does not look at in a 32-bit argument
)

// deeds are the cases of the outcome table, in its order.
var deeds = []deed{
	{name: "execve", calls: one(unix.SYS_EXECVE, "path", 0, 0)},
	{name: "execveat of descriptor 1000", calls: one(unix.SYS_EXECVEAT, 1000, "empty", 0, 0, unix.AT_EMPTY_PATH)},
	{name: "execveat of an open descriptor", calls: one(unix.SYS_EXECVEAT, 0, "empty", 0, 0, unix.AT_EMPTY_PATH)},
	{name: "memfd_create", calls: one(unix.SYS_MEMFD_CREATE, "empty", 0)},
	{name: "memory written and executed", calls: one(unix.SYS_MMAP, 0, 4096, rw|unix.PROT_EXEC, anon, -1, 0)},
	{name: "memory made executable", calls: one(unix.SYS_MPROTECT, "code", 4096, unix.PROT_READ|unix.PROT_EXEC)},
	{name: "pkey_mprotect", calls: one(unix.SYS_PKEY_MPROTECT, "code", 4096, unix.PROT_READ|unix.PROT_EXEC, -1)},

	{name: "fork", calls: one(unix.SYS_CLONE, int(unix.SIGCHLD), 0, 0, 0, 0)},
	{name: "clone3", calls: one(unix.SYS_CLONE3, "buf", 88)},
	{name: "clone into a user namespace", calls: one(unix.SYS_CLONE, unix.CLONE_NEWUSER|int(unix.SIGCHLD), 0, 0, 0, 0)},
	{name: "unshare of mounts", calls: one(unix.SYS_UNSHARE, unix.CLONE_NEWNS)},
	{name: "unshare of users", calls: one(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
	{name: "unshare of IPC", calls: one(unix.SYS_UNSHARE, unix.CLONE_NEWIPC)},
	{name: "setns with a descriptor", calls: one(unix.SYS_SETNS, 3, 0)},

	{name: "ptrace of itself", calls: one(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0, 0)},
	{name: "ptrace of the parent", calls: one(unix.SYS_PTRACE, unix.PTRACE_SEIZE, "parent", 0, 0)},
	{name: "process_vm_readv", calls: one(unix.SYS_PROCESS_VM_READV, "parent", "buf", 1, "buf", 1, 0)},
	{name: "process_vm_writev", calls: one(unix.SYS_PROCESS_VM_WRITEV, "parent", "buf", 1, "buf", 1, 0)},
	{name: "pidfd_open of the parent", calls: one(unix.SYS_PIDFD_OPEN, "parent", 0)},
	{name: "pidfd_getfd", calls: one(unix.SYS_PIDFD_GETFD, 0, 0, 0)},
	{name: "kcmp", calls: one(unix.SYS_KCMP, "pid", "parent", 0, 0, 0)},

	{name: "kill of the parent", calls: one(unix.SYS_KILL, "parent", 9)},
	{name: "kill of everything", calls: one(unix.SYS_KILL, -1, 9)},
	{name: "tgkill of the parent", calls: one(unix.SYS_TGKILL, "parent", "parent", 9)},
	{name: "rt_sigqueueinfo", calls: one(unix.SYS_RT_SIGQUEUEINFO, "parent", 9, "buf")},
	{name: "a SIGSYS handler, then ptrace", calls: [][]any{{unix.SYS_RT_SIGACTION, int(unix.SIGSYS), "handler", 0, 8}, {unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0, 0}}},

	{name: "io_uring_setup", calls: one(unix.SYS_IO_URING_SETUP, 1, "buf")},
	{name: "bpf", calls: one(unix.SYS_BPF, 0, "buf", 16)},
	{name: "userfaultfd", calls: one(unix.SYS_USERFAULTFD, 1)},
	{name: "perf_event_open", calls: one(unix.SYS_PERF_EVENT_OPEN, "buf", 0, -1, -1, 0)},
	{name: "keyctl", calls: one(unix.SYS_KEYCTL, 1, 0)},
	{name: "add_key", calls: one(unix.SYS_ADD_KEY, "buf", "buf", "buf", 1, -3)},
	{name: "init_module", calls: one(unix.SYS_INIT_MODULE, "buf", 0, "empty")},
	{name: "kexec_load", calls: one(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0)},
	{name: "mount", calls: one(unix.SYS_MOUNT, "empty", "path", "empty", 0, 0)},
	{name: "umount2", calls: one(unix.SYS_UMOUNT2, "path", 0)},
	{name: "pivot_root", calls: one(unix.SYS_PIVOT_ROOT, "path", "path")},
	{name: "chroot", calls: one(unix.SYS_CHROOT, "path")},
	{name: "seccomp with a listener of its own", calls: one(unix.SYS_SECCOMP, 1, 8, "buf")},
	{name: "prctl PR_SET_SECCOMP", calls: one(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, 1, 0)},

	{name: "setuid 0", calls: one(unix.SYS_SETUID, 0)},
	{name: "setresuid 0", calls: one(unix.SYS_SETRESUID, 0, 0, 0)},
	{name: "setgroups", calls: one(unix.SYS_SETGROUPS, 0, 0)},
	{name: "capset", calls: one(unix.SYS_CAPSET, "buf", "buf")},
	{name: "no death with the supervisor", calls: one(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0)},
	{name: "dumpable", calls: one(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1)},
	{name: "a higher limit", calls: one(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, "buf", 0)},
	{name: "FIFO scheduling", calls: one(unix.SYS_SCHED_SETSCHEDULER, 0, 1, "buf")},
	{name: "setpriority", calls: one(unix.SYS_SETPRIORITY, 0, 0, -20)},

	{name: "TIOCSTI", calls: one(unix.SYS_IOCTL, 0, unix.TIOCSTI, "buf")},
	{name: "F_SETFL of all flags", calls: one(unix.SYS_FCNTL, 3, unix.F_SETFL, -1)},
	{name: "F_SETOWN", calls: one(unix.SYS_FCNTL, 3, unix.F_SETOWN, "pid")},
	{name: "F_SETPIPE_SZ", calls: one(unix.SYS_FCNTL, 1, unix.F_SETPIPE_SZ, 1<<20)},
	{name: "F_GETFD, high halves set", calls: one(unix.SYS_FCNTL, high|3, high|unix.F_GETFD, 0)},
	{name: "F_SETOWN, high halves set", calls: one(unix.SYS_FCNTL, high|3, high|unix.F_SETOWN, "pid")},
	{name: "dup3 to 1000", calls: one(unix.SYS_DUP3, 0, 1000, 0)},

	{name: "openat", calls: one(unix.SYS_OPENAT, unix.AT_FDCWD, "path", 0, 0)},
	{name: "openat of /proc/self/fd", calls: one(unix.SYS_OPENAT, unix.AT_FDCWD, "proc", 0, 0)},
	{name: "openat of .. from a descriptor", calls: one(unix.SYS_OPENAT, 3, "up", 0, 0)},
	{name: "openat2", calls: one(unix.SYS_OPENAT2, unix.AT_FDCWD, "path", "buf", 24)},
	{name: "open_by_handle_at", calls: one(unix.SYS_OPEN_BY_HANDLE_AT, 3, "buf", 0)},

	{name: "socket AF_UNIX", calls: one(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0)},
	{name: "socket AF_INET", calls: one(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0)},
	{name: "socket AF_INET6", calls: one(unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_DGRAM, 0)},
	{name: "socket AF_NETLINK", calls: one(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, 0)},
	{name: "socket AF_PACKET", calls: one(unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW, 0)},
	{name: "socket AF_VSOCK", calls: one(unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
	{name: "socketpair", calls: one(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, "buf")},

	{name: "msgget", calls: one(unix.SYS_MSGGET, 0, unix.IPC_CREAT|0o600)},
	{name: "msgctl IPC_SET", calls: one(unix.SYS_MSGCTL, 1, 1, "buf")},
	{name: "semget", calls: one(unix.SYS_SEMGET, 0, 1, unix.IPC_CREAT|0o600)},
	{name: "shmget", calls: one(unix.SYS_SHMGET, 0, 4096, unix.IPC_CREAT|0o600)},

	{name: "a number that is none", calls: one(600)},
	{name: "getpid", calls: one(unix.SYS_GETPID)},
	{name: "getpid by the x32 gate", calls: one(unix.SYS_GETPID | 0x40000000), amd64: true},
	{name: "getpid by int 0x80", calls: [][]any{{"int80:20"}}, amd64: true},
	{name: "execve by int 0x80", calls: [][]any{{"int80:11", 0}}, amd64: true},
}
