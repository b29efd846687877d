package seccomp_test

import (
	"testing"

	"sallyport/internal/seccomp"
)

const sample = `
read
msgsnd: arg0 in $send_queues && arg2 in $frames && arg3 == IPC_NOWAIT
msgrcv: arg3 == -5
arch amd64 arm64 { mmap: arg2 & PROT_EXEC == 0 }
close: arg0 != 3
socket: arg0 == AF_UNIX || arg0 == AF_INET && (arg1 & 0xf) == SOCK_STREAM; return EACCES
clone3: return ENOSYS
fcntl: arg1 in {F_GETFD, F_SETFD}
fcntl: arg1 == F_SETFL && arg2 & ~(O_ACCMODE | O_NONBLOCK) == 0
prctl: arg0 == PR_SET_VMA
start { openat: return ENOENT; pread64; prctl: arg0 == PR_SET_DUMPABLE && arg1 == 0 }
`

func TestDecide(t *testing.T) {
	b := bind(t, seccomp.AMD64, seccomp.Vars{"send_queues": {7, 9}, "frames": {64}}, sample)
	const high = 0xdeadbeef << 32
	for _, tt := range []struct {
		phase seccomp.Phase
		call  string
		args  [6]uint64
		want  seccomp.Action
		errno uint16
		line  int
	}{
		{seccomp.Running, "read", [6]uint64{1}, seccomp.Allow, 0, 2},
		{seccomp.Running, "write", [6]uint64{1}, seccomp.Breach, 0, 0},
		{seccomp.Running, "msgsnd", [6]uint64{9, 1, 64, 0x800}, seccomp.Allow, 0, 3},
		{seccomp.Running, "msgsnd", [6]uint64{high | 9, 1, 64, high | 0x800}, seccomp.Allow, 0, 3}, // the kernel reads 32 bits
		{seccomp.Running, "msgsnd", [6]uint64{9, 1, high | 64, 0x800}, seccomp.Breach, 0, 3},       // size_t is read whole
		{seccomp.Running, "msgsnd", [6]uint64{8, 1, 64, 0x800}, seccomp.Breach, 0, 3},
		{seccomp.Running, "msgsnd", [6]uint64{9, 1, 64, 0}, seccomp.Breach, 0, 3},
		{seccomp.Running, "msgrcv", [6]uint64{0, 0, 0, ^uint64(4)}, seccomp.Allow, 0, 4},
		{seccomp.Running, "msgrcv", [6]uint64{0, 0, 0, 0xfffffffb}, seccomp.Breach, 0, 4},
		{seccomp.Running, "mmap", [6]uint64{0, 0, 3}, seccomp.Allow, 0, 5},
		{seccomp.Running, "mmap", [6]uint64{0, 0, 7}, seccomp.Breach, 0, 5},
		{seccomp.Running, "close", [6]uint64{4}, seccomp.Allow, 0, 6},
		{seccomp.Running, "close", [6]uint64{3}, seccomp.Breach, 0, 6},
		{seccomp.Running, "close", [6]uint64{high | 3}, seccomp.Breach, 0, 6},
		{seccomp.Running, "socket", [6]uint64{1, 5}, seccomp.Allow, 0, 7},
		{seccomp.Running, "socket", [6]uint64{2, 1 | 0x80000}, seccomp.Allow, 0, 7},
		{seccomp.Running, "socket", [6]uint64{2, 2}, seccomp.Errno, 13, 7},
		{seccomp.Running, "clone3", [6]uint64{}, seccomp.Errno, 38, 8},
		{seccomp.Running, "fcntl", [6]uint64{3, 2}, seccomp.Allow, 0, 9},
		{seccomp.Running, "fcntl", [6]uint64{3, 4, 0x800}, seccomp.Allow, 0, 10},
		{seccomp.Running, "fcntl", [6]uint64{3, 4, 0x2000}, seccomp.Breach, 0, 9},
		{seccomp.Starting, "openat", [6]uint64{}, seccomp.Errno, 2, 12},
		{seccomp.Running, "openat", [6]uint64{}, seccomp.Breach, 0, 12},
		{seccomp.Launching, "openat", [6]uint64{}, seccomp.Breach, 0, 12},
		{seccomp.Starting, "pread64", [6]uint64{}, seccomp.Continue, 0, 12},
		{seccomp.Starting, "prctl", [6]uint64{4, 0}, seccomp.Continue, 0, 12},
		{seccomp.Starting, "prctl", [6]uint64{4, 1}, seccomp.Breach, 0, 11},
		{seccomp.Running, "prctl", [6]uint64{4, 0}, seccomp.Breach, 0, 11},
		{seccomp.Running, "prctl", [6]uint64{0x53564d41}, seccomp.Allow, 0, 11},
		{seccomp.Launching, "execveat", [6]uint64{1000, 1, 2, 3, 0x1000}, seccomp.Continue, 0, 0},
		{seccomp.Launching, "execveat", [6]uint64{1001, 1, 2, 3, 0x1000}, seccomp.Breach, 0, 0},
		{seccomp.Launching, "execveat", [6]uint64{1000, 1, 2, 3, 0}, seccomp.Breach, 0, 0},
		{seccomp.Starting, "execveat", [6]uint64{1000, 1, 2, 3, 0x1000}, seccomp.Breach, 0, 0},
		{seccomp.Launching, "execve", [6]uint64{}, seccomp.Breach, 0, 0},
		{seccomp.Starting, "ptrace", [6]uint64{}, seccomp.Kill, 0, 0},
	} {
		d := b.Decide(tt.phase, number(t, seccomp.AMD64, tt.call), tt.args)
		if d.Action != tt.want || d.Errno != tt.errno || d.Line != tt.line {
			t.Errorf("%s %s%x: %v, errno %d, line %d (%s); want %v, %d, %d", tt.phase, tt.call, tt.args, d.Action, d.Errno, d.Line, d.Rule, tt.want, tt.errno, tt.line)
		}
	}
	if d := b.Decide(seccomp.Starting, 0x40000000, [6]uint64{}); d.Action != seccomp.Kill {
		t.Errorf("read of x32: %v", d.Action)
	}
}

func TestDecideOnArm(t *testing.T) {
	b := bind(t, seccomp.ARM, seccomp.Vars{"send_queues": {7}, "frames": {64}}, sample)
	if d := b.Decide(seccomp.Running, number(t, seccomp.ARM, "msgrcv"), [6]uint64{0, 0, 0, 0xfffffffb}); d.Action != seccomp.Allow {
		t.Errorf("type -5 in a 32-bit register: %v", d.Action)
	}
	// O_NONBLOCK is the same on arm, O_LARGEFILE is not in the mask.
	if d := b.Decide(seccomp.Running, number(t, seccomp.ARM, "fcntl"), [6]uint64{3, 4, 0x20000}); d.Action != seccomp.Breach {
		t.Errorf("F_SETFL O_LARGEFILE: %v", d.Action)
	}
}

func TestBindNeedsEveryVariable(t *testing.T) {
	p, err := seccomp.Parse("p", files("p", "read\nmsgsnd: arg0 in $send_queues && arg2 == $frames"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []seccomp.Vars{nil, {"send_queues": {1}}, {"send_queues": {1}, "frames": {1, 2}}, {"send_queues": {1 << 40}, "frames": {1}}} {
		if _, err := p.Bind(seccomp.AMD64, v); err == nil {
			t.Errorf("bound with %v", v)
		} else {
			t.Log(err)
		}
	}
	b, err := p.Bind(seccomp.AMD64, seccomp.Vars{"send_queues": {}, "frames": {64}})
	if err != nil {
		t.Fatal(err)
	}
	if d := b.Decide(seccomp.Running, number(t, seccomp.AMD64, "msgsnd"), [6]uint64{0, 0, 64}); d.Action != seccomp.Breach {
		t.Errorf("msgsnd of a worker that sends to nobody: %v", d.Action)
	}
}

// The rules handed to a compiler say the same as the model, and never two
// different things of one call.
func TestRulesAgreeWithModel(t *testing.T) {
	b := bind(t, seccomp.AMD64, nil, "read\nclose: arg0 in {1, 2, 5}; return EPERM\nmsgrcv: arg0 != 7 && arg4 & 1 == 0; return EACCES\nclone3: return ENOSYS")
	for _, call := range []string{"read", "close", "msgrcv", "clone3", "ptrace", "write"} {
		nr := number(t, seccomp.AMD64, call)
		for i := range uint64(64) {
			args := [6]uint64{i, 0, 0, i, i >> 1 & 1}
			got := seccomp.FilterNotify
			for _, r := range b.Rules() {
				holds := r.Nr == nr
				for _, test := range r.Tests {
					holds = holds && args[test.Arg]&test.Mask == test.Value
				}
				if holds {
					got = r.Verdict
				}
			}
			if want := b.Filter(nr, args); got != want {
				t.Errorf("%s(%d): rules say %v, model %v", call, i, got, want)
			}
		}
	}
	d := b.Decide(seccomp.Running, number(t, seccomp.AMD64, "close"), [6]uint64{3})
	if d.Action != seccomp.Errno || d.Errno != 1 {
		t.Errorf("close(3): %+v", d)
	}
}

// A call can be admitted while the start lasts and be refused with an errno ever
// after: the filter, which knows no phases, leaves both to the parent.
func TestStartComesBeforeRefusal(t *testing.T) {
	b := bind(t, seccomp.AMD64, nil, "read\nopenat: return ENOENT\narch amd64 { newfstatat: arg3 == AT_EMPTY_PATH; return ENOENT }\nstart { openat; arch amd64 { newfstatat: arg3 == 0 } }")
	for _, tt := range []struct {
		phase seccomp.Phase
		call  string
		flags uint64
		want  seccomp.Action
	}{
		{seccomp.Starting, "openat", 0, seccomp.Continue},
		{seccomp.Running, "openat", 0, seccomp.Errno},
		{seccomp.Launching, "openat", 0, seccomp.Errno},
		{seccomp.Starting, "newfstatat", 0, seccomp.Continue},
		{seccomp.Starting, "newfstatat", 0x100, seccomp.Errno},
		{seccomp.Running, "newfstatat", 0, seccomp.Errno},
		{seccomp.Running, "newfstatat", 0x1000, seccomp.Allow},
	} {
		nr, args := number(t, seccomp.AMD64, tt.call), [6]uint64{3: tt.flags}
		if d := b.Decide(tt.phase, nr, args); d.Action != tt.want {
			t.Errorf("%s, %s with flags %#x: %v, want %v", tt.phase, tt.call, tt.flags, d.Action, tt.want)
		}
		if v := b.Filter(nr, args); tt.want != seccomp.Allow && v != seccomp.FilterNotify {
			t.Errorf("%s: the filter says %v", tt.call, v)
		}
	}
}
