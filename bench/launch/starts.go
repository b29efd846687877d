package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/landlock"
	"sallyport/internal/launch"
	"sallyport/internal/seccomp"
)

// ours is one side: launches as the supervisor makes them.
type ours struct {
	launcher   *launch.Launcher
	first      *os.File
	spec       launch.Spec
	expect     attest.Expect
	start      sample
	prove      [attest.MaxLevel + 1]sample // by level
	withProof3 sample
}

// compareStarts lets the sides take turns.
func compareStarts(o options, bound *seccomp.Bound, program *seccomp.Program) error {
	us, err := newOurs(o, bound, program)
	if err != nil {
		return err
	}
	defer us.launcher.Close()
	them, err := newTheirs(o, program)
	if err != nil {
		return err
	}
	for range o.starts {
		if err := us.turn(); err != nil {
			return err
		}
		if err := them.turn(); err != nil {
			return err
		}
	}
	fmt.Printf("%-44s %10s %10s %8s\n", "start to the program's first byte", "median", "p90", "x")
	line("bubblewrap --unshare-all --seccomp", them.start, them.start.at(50))
	line("ours", us.start, them.start.at(50))
	line("ours, and a proof of level 3", us.withProof3, them.start.at(50))
	fmt.Println()
	fmt.Printf("%-44s %10s %10s\n", "proof of a Go worker", "median", "p90")
	for level := 1; level <= attest.MaxLevel; level++ {
		line(fmt.Sprintf("level %d, with those below", level), us.prove[level], 0)
	}
	fmt.Println()
	return nil
}

func newOurs(o options, bound *seccomp.Bound, program *seccomp.Program) (*ours, error) {
	stage, err := os.Open(o.worker)
	if err != nil {
		return nil, err
	}
	first, err := os.Open(o.first)
	if err != nil {
		return nil, err
	}
	own, err := attest.OwnFilters()
	if err != nil {
		return nil, err
	}
	l, err := launch.New(stage)
	if err != nil {
		return nil, err
	}
	abi, err := landlock.ABI()
	fmt.Printf("Landlock ABI %d (%v)\n", abi, err)
	const id = 61997
	return &ours{launcher: l, first: first, expect: attest.Expect{UID: id, GID: id, Filters: own + 1, Exe: first},
		spec: launch.Spec{Name: "first", Exe: first, Env: []string{"GOMAXPROCS=2"}, UID: id, GID: id, Filter: program.BPF, Landlock: abi,
			Tasks: 64, Data: 64 << 20,
			Decide: func(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
				switch d := bound.Decide(phase, uint32(nr), args); d.Action {
				case seccomp.Continue:
					return launch.Verdict{Continue: true}
				case seccomp.Errno:
					return launch.Verdict{Errno: int32(d.Errno)}
				}
				return launch.Verdict{}
			}}}, nil
}

// turn starts once, proves at each level, and sees it end.
func (u *ours) turn() error {
	mine, theirs, err := pair(unix.SOCK_SEQPACKET)
	if err != nil {
		return err
	}
	defer mine.Close()
	spec := u.spec
	spec.Channel = theirs
	began := time.Now()
	p, err := u.launcher.Start(context.Background(), spec)
	theirs.Close()
	if err != nil {
		return err
	}
	if err := awaitByte(mine); err != nil {
		return err
	}
	u.start = append(u.start, time.Since(began))
	if _, err := attest.Prove(p, u.expect, 3); err != nil {
		return err
	}
	u.withProof3 = append(u.withProof3, time.Since(began))
	for level := 1; level <= attest.MaxLevel; level++ {
		began := time.Now()
		if _, err := attest.Prove(p, u.expect, level); err != nil {
			return err
		}
		u.prove[level] = append(u.prove[level], time.Since(began))
	}
	if err := p.Kill(); err != nil {
		return err
	}
	<-p.Done()
	return nil
}

// theirs is bubblewrap with the same program and the same filter. Nobody answers
// notices there: they are kills, but for the exec and the start-up calls that our
// side answers, which are allowed in front of it.
type theirs struct {
	path, first string
	filter      []byte
	start       sample
}

func newTheirs(o options, program *seccomp.Program) (*theirs, error) {
	if _, err := os.Stat(o.bwrap); err != nil {
		return nil, fmt.Errorf("needs bubblewrap: %w", err)
	}
	return &theirs{path: o.bwrap, first: o.first, filter: unnotified(program.BPF)}, nil
}

const (
	retNotify, retKill, retAllow = 0x7fc00000, 0x80000000, 0x7fff0000
	opLoad, opEqual, opReturn    = 0x20, 0x15, 0x06
)

func unnotified(code []byte) []byte {
	start := []uint32{unix.SYS_EXECVE, unix.SYS_OPENAT, unix.SYS_SCHED_GETAFFINITY, unix.SYS_PRLIMIT64, unix.SYS_PREAD64, unix.SYS_FCNTL, unix.SYS_GETPID, unix.SYS_TGKILL}
	start = append(start, startCalls...)
	out := instruction(nil, opLoad, 0, 0, 0)
	for _, nr := range start {
		out = instruction(out, opEqual, 0, 1, nr)
		out = instruction(out, opReturn, 0, 0, retAllow)
	}
	for i := 0; i+8 <= len(code); i += 8 {
		op, k := binary.NativeEndian.Uint16(code[i:]), binary.NativeEndian.Uint32(code[i+4:])
		if op == opReturn && k == retNotify {
			k = retKill
		}
		out = instruction(out, op, code[i+2], code[i+3], k)
	}
	return out
}

func instruction(out []byte, op uint16, jt, jf byte, k uint32) []byte {
	out = binary.NativeEndian.AppendUint16(out, op)
	return binary.NativeEndian.AppendUint32(append(out, jt, jf), k)
}

func (b *theirs) turn() error {
	mine, channel, err := pair(unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	defer mine.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	filter, err := memory(b.filter)
	if err != nil {
		return err
	}
	defer filter.Close()
	args := []string{"bwrap", "--unshare-all", "--as-pid-1", "--die-with-parent", "--seccomp", "4", "--ro-bind", b.first, "/first", "/first"}
	began := time.Now()
	pid, err := syscall.ForkExec(b.path, args, &syscall.ProcAttr{Env: []string{"GOMAXPROCS=2"},
		Files: []uintptr{null.Fd(), null.Fd(), os.Stderr.Fd(), channel.Fd(), filter.Fd()}})
	channel.Close()
	if err != nil {
		return err
	}
	if err := awaitByte(mine); err != nil {
		return fmt.Errorf("bubblewrap: %w", err)
	}
	b.start = append(b.start, time.Since(began))
	mine.Close()
	_, err = syscall.Wait4(pid, nil, 0, nil)
	return err
}

func memory(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("filter", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "filter")
	if _, err := f.Write(text); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, 0)
	return f, err
}

func pair(kind int) (mine, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "mine"), os.NewFile(uintptr(fds[1]), "theirs"), nil
}

func awaitByte(f *os.File) error {
	var b [1]byte
	n, err := f.Read(b[:])
	if err == nil && (n != 1 || b[0] != '1') {
		err = fmt.Errorf("%d bytes, %q", n, b)
	}
	return err
}
