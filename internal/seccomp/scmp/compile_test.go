package scmp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/policy"
)

var vars = seccomp.Vars{"send_queues": {3, 32769, 65540}, "receive_queues": {4, 32771}, "block_queues": {3}, "frames": {64, 256}, "self_pid": {seccomp.PIDTemplate}}

func role(t testing.TB, name string, a seccomp.Arch) *seccomp.Bound {
	t.Helper()
	p, err := seccomp.Parse(name, policy.Files)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bind(a, vars)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func text(t testing.TB, a seccomp.Arch, v seccomp.Vars, src string) *seccomp.Bound {
	t.Helper()
	p, err := seccomp.Parse("p", fstest.MapFS{"p.policy": {Data: []byte(src)}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bind(a, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compile(t testing.TB, b *seccomp.Bound) *seccomp.Program {
	t.Helper()
	p, err := scmp.Compile(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRolesCompileAndVerify(t *testing.T) {
	for _, name := range policy.Roles {
		for _, a := range seccomp.Archs {
			b := role(t, name, a)
			start := time.Now()
			p := compile(t, b)
			compiled := time.Since(start)
			start = time.Now()
			if err := seccomp.Verify(b, p); err != nil {
				t.Errorf("%v\n%s", err, p.Listing())
			}
			t.Logf("%s %s: %d instructions, compiled in %v, verified in %v", name, a, len(p.BPF)/8, compiled.Round(time.Microsecond), time.Since(start).Round(time.Microsecond))
		}
	}
}

func TestCompileSameBytesTwice(t *testing.T) {
	x, y := compile(t, role(t, "gpio-line", seccomp.Native())), compile(t, role(t, "gpio-line", seccomp.Native()))
	if !bytes.Equal(x.BPF, y.BPF) || x.Hash != y.Hash {
		t.Error("two programs for one profile")
	}
}

// Every form of the language, and every kind of argument, on every architecture.
func TestFormsCompileAndVerify(t *testing.T) {
	for _, src := range []string{
		"read",
		"read\nclone3: return ENOSYS",
		"close: arg0 == 3",
		"close: arg0 != 3",
		"close: arg0 in {1, 2, 5}; return EPERM",
		"msgrcv: arg3 == -5 && arg0 == 1\nmsgrcv: arg3 == 7 && arg0 == 2",
		"msgrcv: arg2 & 0xf0 != 0x10",
		"msgrcv: arg2 & ~0x3f == 0 && arg4 in {0, IPC_NOWAIT} || arg3 == 1 && arg0 in {9, 10, 11}",
		"socket: arg0 == AF_UNIX || arg0 == AF_INET && (arg1 & 0xf) == SOCK_STREAM; return EACCES",
		"prctl: arg0 == 1 && arg1 == 2 && arg2 == 3 && arg3 == 4 && arg4 == 5",
		"prctl: arg1 & 1 == 1\nprctl: arg1 & 2 == 2\nprctl: arg1 & 3 == 0 && arg2 & 0xffff == 7",
		"close: return EBADF",
		"getpid\ngettid\nmsgsnd: arg0 in $send_queues && arg2 in $frames; return EINVAL",
		"msgsnd: arg0 in {}\nread",
	} {
		if strings.Contains(src, "{}") {
			src = strings.ReplaceAll(src, "{}", "$receive_queues")
		}
		for _, a := range seccomp.Archs {
			b := text(t, a, seccomp.Vars{"send_queues": {1, 2, 3}, "receive_queues": {}, "frames": {64, 1 << 20}}, src)
			p, err := scmp.Compile(b)
			if err != nil {
				t.Errorf("%q: %v", src, err)
				continue
			}
			if err := seccomp.Verify(b, p); err != nil {
				t.Errorf("%q: %v\n%s", src, err, p.Listing())
			}
		}
	}
}

// The kernel answers a call from its bitmap when the verdict does not depend on
// the arguments.
func TestHotCallsHaveNoConditions(t *testing.T) {
	b := role(t, "sensor-read", seccomp.Native())
	p := compile(t, b)
	for _, call := range []string{"read", "write", "futex", "epoll_pwait", "nanosleep", "rt_sigreturn", "pread64", "recvmsg", "sendmsg"} {
		nr, _ := seccomp.CallNumber(b.Arch, call)
		for range 100 {
			var args [6]uint64
			for i := range args {
				args[i] = rand.Uint64()
			}
			if v, err := p.Run(nr, args); err != nil || v != seccomp.FilterAllow {
				t.Fatalf("%s: %v %v", seccomp.Describe(b.Arch, nr, args), v, err)
			}
		}
	}
}

func TestForPID(t *testing.T) {
	b := role(t, "sensor-read", seccomp.Native())
	p := compile(t, b)
	pinned := p.ForPID(4711)
	if bytes.Equal(p.BPF, pinned.BPF) || p.Hash == pinned.Hash {
		t.Fatal("nothing was pinned")
	}
	v := seccomp.Vars{"self_pid": {4711}}
	for name, values := range vars {
		if name != "self_pid" {
			v[name] = values
		}
	}
	prof, err := seccomp.Parse("sensor-read", policy.Files)
	if err != nil {
		t.Fatal(err)
	}
	own, err := prof.Bind(seccomp.Native(), v)
	if err != nil {
		t.Fatal(err)
	}
	if err := seccomp.Verify(own, pinned); err != nil {
		t.Error(err)
	}
	var m *seccomp.Mismatch
	if err := seccomp.Verify(own, p); !errors.As(err, &m) || seccomp.CallName(m.Arch, m.Nr) != "tgkill" || m.Argument != 0 {
		t.Errorf("the program that was not pinned: %v", err)
	} else {
		t.Log(err)
	}
}

// The virtual machine reads words in network order and the kernel in its own: a
// program that looks at both halves of an argument shows that they are laid out
// as the kernel has them.
func TestRunSeesWordsAsTheKernelDoes(t *testing.T) {
	b := text(t, seccomp.AMD64, nil, "read\narch amd64 arm64 { msgrcv: arg3 == 0x0000000100000203 }")
	p := compile(t, b)
	nr, _ := seccomp.CallNumber(b.Arch, "msgrcv")
	for arg, want := range map[uint64]seccomp.FilterVerdict{
		0x0000000100000203: seccomp.FilterAllow, 0x0000020300000001: seccomp.FilterNotify,
		0x0302000001000000: seccomp.FilterNotify, 0x203: seccomp.FilterNotify,
	} {
		if got, err := p.Run(nr, [6]uint64{3: arg}); err != nil || got != want {
			t.Errorf("%#x: %v %v, want %v", arg, got, err, want)
		}
	}
}

// What is shown of a call's way through the program ends where the virtual
// machine ends, and every line of it is one of the listing.
func TestTraceIsTheMachinesWay(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, name := range policy.Roles {
		p := compile(t, role(t, name, seccomp.AMD64))
		listing := p.Listing()
		draw := calls(rng, p)
		for range 300 {
			nr, args := draw()
			want, err := p.Run(nr, args)
			if err != nil {
				t.Fatal(err)
			}
			lines, got, err := p.Trace(nr, args)
			if err != nil || got != want || !strings.Contains(listing, lines[len(lines)-1]+"\n") || !strings.Contains(lines[len(lines)-1], "ret #") {
				t.Fatalf("%s: %s: %v (%v), want %v:\n%s", name, seccomp.Describe(p.Arch, nr, args), got, err, want, strings.Join(lines, "\n"))
			}
		}
	}
}

// calls draws calls whose numbers and arguments lie at or beside the constants
// of the programs.
func calls(rng *rand.Rand, programs ...*seccomp.Program) func() (uint32, [6]uint64) {
	var constants []uint32
	for _, p := range programs {
		for i := 0; i < len(p.BPF); i += 8 {
			constants = append(constants, binary.LittleEndian.Uint32(p.BPF[i+4:]))
		}
	}
	word := func() uint64 {
		switch rng.IntN(3) {
		case 0:
			return 0
		case 1:
			return uint64(rng.Uint32())
		}
		return uint64(constants[rng.IntN(len(constants))] + uint32(rng.IntN(3)-1))
	}
	return func() (nr uint32, args [6]uint64) {
		nr = uint32(word())
		for i := range args {
			args[i] = word()
			if rng.IntN(4) == 0 {
				args[i] |= word() << 32
			}
		}
		return nr, args
	}
}

// mutants changes one instruction at a time: a jump flipped, a jump's targets
// made the same (the check is gone), a jump one further, a constant with one bit
// changed or one more, a load of another word, a return of something else.
func mutants(code []byte) map[string][]byte {
	out := make(map[string][]byte)
	add := func(i int, what string, change func(in []byte)) {
		c := bytes.Clone(code)
		change(c[8*i : 8*i+8])
		if !bytes.Equal(c, code) {
			out[fmt.Sprintf("instruction %d: %s", i, what)] = c
		}
	}
	k := func(in []byte, change func(uint32) uint32) {
		binary.LittleEndian.PutUint32(in[4:], change(binary.LittleEndian.Uint32(in[4:])))
	}
	for i := range len(code) / 8 {
		op := binary.LittleEndian.Uint16(code[8*i:])
		switch {
		case op == 0x06:
			add(i, "allow", func(in []byte) { k(in, func(uint32) uint32 { return 0x7fff0000 }) })
			add(i, "other errno", func(in []byte) { k(in, func(v uint32) uint32 { return v ^ 1 }) })
			continue
		case op == 0x20:
			add(i, "other word", func(in []byte) { k(in, func(v uint32) uint32 { return v ^ 4 }) })
			add(i, "other argument", func(in []byte) { k(in, func(v uint32) uint32 { return (v + 8) % 64 }) })
			continue
		case op&0x07 == 0x05 && op != 0x05:
			add(i, "flipped", func(in []byte) { in[2], in[3] = in[3], in[2] })
			add(i, "always", func(in []byte) { in[3] = in[2] })
			add(i, "never", func(in []byte) { in[2] = in[3] })
			add(i, "one further", func(in []byte) { in[2]++ })
		}
		add(i, "constant + 1", func(in []byte) { k(in, func(v uint32) uint32 { return v + 1 }) })
		add(i, "constant, bit 3", func(in []byte) { k(in, func(v uint32) uint32 { return v ^ 8 }) })
		add(i, "constant, bit 31", func(in []byte) { k(in, func(v uint32) uint32 { return v ^ 1<<31 }) })
	}
	return out
}

// Each seeded fault is found, or changes no verdict: then random calls near the
// constants of the program must not tell the two programs apart.
func TestVerifyFindsSeededFaults(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Log("SEED=", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	b := text(t, seccomp.Native(), vars, "read\nclone3: return ENOSYS\nmsgsnd: arg0 in $send_queues && arg2 in $frames && arg3 == IPC_NOWAIT\nmsgrcv: arg3 == -5 && arg4 in {0, IPC_NOWAIT}\nprctl: arg1 & 0xf0 == 0x10\ntgkill: arg0 == $self_pid")
	good := compile(t, b)
	found, same := 0, 0
	for what, code := range mutants(good.BPF) {
		bad := seccomp.NewProgram(good.Arch, good.Profile, code)
		if err := seccomp.Verify(b, bad); err != nil {
			if found++; found <= 5 {
				t.Logf("%s: %v", what, err)
			}
			continue
		}
		same++
		if nr, args, differ := apart(rng, good, bad); differ {
			t.Errorf("%s: not found, but it changes %s", what, seccomp.Describe(b.Arch, nr, args))
		}
	}
	t.Logf("%d faults found, %d change nothing", found, same)
	if found < 100 {
		t.Errorf("only %d faults found", found)
	}
}

func apart(rng *rand.Rand, x, y *seccomp.Program) (uint32, [6]uint64, bool) {
	draw := calls(rng, x, y)
	for range 3000 {
		nr, args := draw()
		vx, errX := x.Run(nr, args)
		vy, errY := y.Run(nr, args)
		if errX != nil || errY != nil || vx != vy {
			return nr, args, true
		}
	}
	return 0, [6]uint64{}, false
}

// A fault in the words of a mismatch: call and argument are named.
func TestMismatchNamesCallAndArgument(t *testing.T) {
	want := text(t, seccomp.Native(), nil, "read\nmsgsnd: arg0 == 7 && arg3 == IPC_NOWAIT")
	got := compile(t, text(t, seccomp.Native(), nil, "read\nmsgsnd: arg0 == 7"))
	err := seccomp.Verify(want, got)
	if err == nil || !strings.Contains(err.Error(), "msgsnd(7,") || !strings.Contains(err.Error(), "arg3 (flags)") || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
	t.Log(err)
}

func BenchmarkVerify(b *testing.B) {
	bound := role(b, "sensor-read", seccomp.Native())
	p := compile(b, bound)
	for b.Loop() {
		if err := seccomp.Verify(bound, p); err != nil {
			b.Fatal(err)
		}
	}
}
