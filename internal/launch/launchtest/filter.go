package launchtest

import (
	"encoding/binary"
	"runtime"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/internal/seccomp/pidpin"
	"sallyport/internal/sys"
)

// Actions of a filter, from linux/seccomp.h.
const (
	retAllow  = 0x7fff0000
	retErrno  = 0x00050000
	retNotify = 0x7fc00000
	retKill   = 0x80000000
)

// runtimeCalls are what a static Go program needs all the time and, but for
// openat, at its start.
var runtimeCalls = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_BRK,
	unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_GETTID, unix.SYS_GETPID,
	unix.SYS_TGKILL, unix.SYS_CLONE, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_SCHED_YIELD, unix.SYS_GETRANDOM, unix.SYS_PRCTL,
	unix.SYS_SCHED_GETAFFINITY, unix.SYS_RESTART_SYSCALL, unix.SYS_PRLIMIT64, unix.SYS_PREAD64,
}

// Own is a filter that allows a Go runtime, and getpgid of the process's own id,
// which it does not know yet.
func Own() []byte {
	return filter([]bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_GETPGID, SkipTrue: 4},
		bpf.LoadAbsolute{Off: 16, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: pidpin.Template, SkipTrue: 1},
		bpf.RetConstant{Val: retNotify},
		bpf.RetConstant{Val: retAllow},
	})
}

// Filter allows a Go runtime and also, makes clone3 fail with ENOSYS, kills
// for a foreign architecture, and gives notice of everything else.
func Filter(also ...uint32) []byte { return filter(nil, also...) }

func filter(first []bpf.Instruction, also ...uint32) []byte {
	calls := append(append(append([]uint32{}, runtimeCalls...), archCalls...), also...)
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: retKill},
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE3, SkipTrue: 1},
		bpf.RetConstant{Val: retErrno | uint32(unix.ENOSYS)},
	}
	program = append(program, first...)
	for _, nr := range calls {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: nr, SkipTrue: 1},
			bpf.RetConstant{Val: retAllow})
	}
	program = append(program, bpf.RetConstant{Val: retNotify})
	return Assemble(program...)
}

// Assemble writes a program as the kernel wants it.
func Assemble(program ...bpf.Instruction) []byte {
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(err)
	}
	var out []byte
	for _, i := range raw {
		out = binary.NativeEndian.AppendUint16(out, i.Op)
		out = append(out, i.Jt, i.Jf)
		out = binary.NativeEndian.AppendUint32(out, i.K)
	}
	return out
}

// ExecUnder executes this binary again, with env and no arguments, under filter.
// It returns only an error.
func ExecUnder(filter []byte, env []string) error {
	runtime.LockOSThread()
	self, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return sys.SeccompExec(filter, self, []string{"self"}, env, func() {})
}
