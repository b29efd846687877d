package seccomp_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/seccomp"
)

func TestDescribe(t *testing.T) {
	minus := func(n int64) uint64 { return uint64(-n) }
	for _, tt := range []struct {
		arch seccomp.Arch
		call string
		args [6]uint64
		want string
	}{
		{seccomp.AMD64, "openat", [6]uint64{minus(100), 0xc000012345, 0x80000, 0o644}, "openat(AT_FDCWD, 0xc000012345, O_RDONLY|O_CLOEXEC)"},
		{seccomp.AMD64, "openat", [6]uint64{0xffffff9c, 0x1000, 0x241, 0o644}, "openat(AT_FDCWD, 0x1000, O_WRONLY|O_CREAT|O_TRUNC, 0o644)"},
		{seccomp.AMD64, "openat", [6]uint64{5, 0x1000, 0x10000}, "openat(5, 0x1000, O_RDONLY|O_DIRECTORY)"},
		{seccomp.ARM, "openat", [6]uint64{5, 0x1000, 0x4000}, "openat(5, 0x1000, O_RDONLY|O_DIRECTORY)"},
		{seccomp.ARM64, "execve", [6]uint64{0x10, 0x20, 0}, "execve(0x10, 0x20, NULL)"},
		{seccomp.AMD64, "execveat", [6]uint64{1000, 1, 2, 3, 0x1000}, "execveat(1000, 0x1, 0x2, 0x3, AT_EMPTY_PATH)"},
		{seccomp.AMD64, "socket", [6]uint64{2, 0x80001, 6}, "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 6)"},
		{seccomp.AMD64, "kill", [6]uint64{minus(1), 9}, "kill(-1, SIGKILL)"},
		{seccomp.AMD64, "mmap", [6]uint64{0, 4096, 7, 0x22, minus(1), 0}, "mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x0)"},
		{seccomp.AMD64, "mprotect", [6]uint64{0x1000, 4096, 0}, "mprotect(0x1000, 4096, PROT_NONE)"},
		{seccomp.AMD64, "msgrcv", [6]uint64{7, 1, 64, minus(5), 0x800}, "msgrcv(7, 0x1, 64, -5, IPC_NOWAIT)"},
		{seccomp.ARM, "msgrcv", [6]uint64{7, 1, 64, 0xfffffffb, 0}, "msgrcv(7, 0x1, 64, -5, 0)"},
		{seccomp.AMD64, "msgctl", [6]uint64{7, 0, 0}, "msgctl(7, IPC_RMID, NULL)"},
		{seccomp.AMD64, "fcntl", [6]uint64{3, 8, 1}, "fcntl(3, F_SETOWN, 0x1)"},
		{seccomp.AMD64, "prctl", [6]uint64{4, 1}, "prctl(PR_SET_DUMPABLE, 0x1, 0x0, 0x0, 0x0)"},
		{seccomp.AMD64, "clone", [6]uint64{0x10000000 | 17}, "clone(CLONE_NEWUSER|0x11, NULL, NULL, NULL, NULL)"},
		{seccomp.AMD64, "getpid", [6]uint64{1, 2}, "getpid()"},
		{seccomp.AMD64, "lookup_dcookie", [6]uint64{1, 2, 3, 4, 5, 6}, "lookup_dcookie(0x1, 0x2, 0x3, 0x4, 0x5, 0x6)"},
	} {
		if got := seccomp.Describe(tt.arch, number(t, tt.arch, tt.call), tt.args); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	if got := seccomp.Describe(seccomp.AMD64, 0x40000000|2, [6]uint64{1}); got != "x32 open(0x1, O_RDONLY)" {
		t.Error(got)
	}
	if got := seccomp.CallName(seccomp.AMD64, 600); got != "call 600" {
		t.Error(got)
	}
}

// The committed tables are those of the running architecture.
func TestTablesMatchUnix(t *testing.T) {
	a := seccomp.Native()
	for name, nr := range map[string]uint32{"read": unix.SYS_READ, "openat": unix.SYS_OPENAT, "msgsnd": unix.SYS_MSGSND, "execveat": unix.SYS_EXECVEAT, "clone3": unix.SYS_CLONE3, "io_uring_setup": unix.SYS_IO_URING_SETUP, "futex": unix.SYS_FUTEX, "fchmodat2": unix.SYS_FCHMODAT2} {
		if got := number(t, a, name); got != nr {
			t.Errorf("%s: %d, x/sys/unix has %d", name, got, nr)
		}
		if got := seccomp.CallName(a, nr); got != name {
			t.Errorf("%d: %s, want %s", nr, got, name)
		}
	}
	for name, v := range map[string]uint64{"O_NOFOLLOW": unix.O_NOFOLLOW, "PROT_EXEC": unix.PROT_EXEC, "CLONE_NEWUSER": unix.CLONE_NEWUSER, "F_DUPFD_CLOEXEC": unix.F_DUPFD_CLOEXEC, "SIGURG": uint64(unix.SIGURG)} {
		if got, ok := seccomp.Constant(a, name); !ok || got != v {
			t.Errorf("%s: %#x %v, x/sys/unix has %#x", name, got, ok, v)
		}
	}
}

// A rule that pins clone means something only if the flags are what they are in
// the kernel; the high word of every flag of the sample is zero.
func TestConstantsOfTheKernel(t *testing.T) {
	for _, tt := range []struct {
		arch seccomp.Arch
		name string
		want uint64
	}{
		{seccomp.AMD64, "O_LARGEFILE", 0o100000}, {seccomp.ARM64, "O_LARGEFILE", 0o400000}, {seccomp.ARM, "O_LARGEFILE", 0o400000},
		{seccomp.AMD64, "O_DIRECTORY", 0o200000}, {seccomp.ARM64, "O_DIRECTORY", 0o40000}, {seccomp.ARM, "O_DIRECTORY", 0o40000},
		{seccomp.AMD64, "IPC_NOWAIT", 0o4000}, {seccomp.ARM, "F_DUPFD_QUERY", 1027},
	} {
		if got, ok := seccomp.Constant(tt.arch, tt.name); !ok || got != tt.want {
			t.Errorf("%s on %s: %#o, want %#o", tt.name, tt.arch, got, tt.want)
		}
	}
}
