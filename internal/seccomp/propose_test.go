package seccomp_test

import (
	"strings"
	"testing"

	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// recorded is a run in which these calls were made, each several times.
func recorded(t *testing.T, a seccomp.Arch, start, running []string) []seccomp.Seen {
	t.Helper()
	r := seccomp.NewRecorder(a)
	for ph, calls := range map[seccomp.Phase][]string{seccomp.Starting: start, seccomp.Running: running} {
		for _, text := range calls {
			c, err := seccomp.ParseCall(text, a)
			if err != nil {
				t.Fatal(err)
			}
			for pointer := range uint64(3) {
				for i, known := range c.Known {
					if !known {
						c.Args[i] = 0xc000000000 + pointer
					}
				}
				r.Record(ph, c.Nr, c.Args)
			}
		}
	}
	seen, lost := r.All()
	if lost != 0 {
		t.Errorf("%d lost", lost)
	}
	return seen
}

func TestPropose(t *testing.T) {
	l := seccomp.Learned{Worker: "w", Arch: seccomp.AMD64, EmptyRoot: true, Vars: seccomp.Vars{"send_queues": {3, 5}, "receive_queues": {4}, "block_queues": {9}, "frames": {64}}}
	l.Seen = recorded(t, seccomp.AMD64,
		[]string{"openat(AT_FDCWD,_,O_CLOEXEC)", "openat(AT_FDCWD,_,O_WRONLY|O_CREAT)", "mmap(0,4096,PROT_READ|PROT_EXEC,2,3)", "mmap(0,4096,PROT_READ,2,3)", "read(3)", "fcntl(3,F_SETFL,O_NONBLOCK)", "newfstatat(3,_,_,AT_EMPTY_PATH)", "arch_prctl(1,2)"},
		[]string{"read(3)", "mmap(0,4096,PROT_READ|PROT_WRITE,34)", "msgsnd(3,_,64,IPC_NOWAIT)", "msgsnd(5,_,64,IPC_NOWAIT)", "msgsnd(9,_,64,0)", "msgsnd(77,_,64,0)", "msgrcv(4,_,_,-5,IPC_NOWAIT)", "ioctl(3,I2C_SMBUS)", "tgkill(100,101,6)", "execve(_)", "clone3(_)", "ptrace(16,1)"})
	text, err := seccomp.Propose(l)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{
		"\nread                                     # 3 times while running\n",
		"\narch amd64 arm64 { mmap: arg2 & PROT_EXEC == 0 } # 3 times while running\n",
		"\nmsgsnd: arg0 in $send_queues && arg2 in $frames && arg3 == IPC_NOWAIT # 6 times while running\n",
		"\nmsgsnd: arg0 in $block_queues && arg2 in $frames && arg3 == 0 # 3 times",
		"\nmsgsnd: arg0 == 77 && arg2 in $frames && arg3 == 0 # 3 times",
		"\nmsgrcv: arg0 in $receive_queues && arg4 == IPC_NOWAIT # 3 times",
		"\nioctl: arg1 == I2C_SMBUS ",
		"\ntgkill: arg0 == $self_pid ",
		"\nclone3: return ENOSYS ",
		"\nbrk                                      # not seen: it comes by chance\n",
		"\nstart {\n",
		"\n\topenat: return ENOENT            # 6 times at the start\n",
		"\n\tarch amd64 arm64 { mmap }        # 3 times at the start\n",
		"\n\tfcntl: arg1 == F_SETFL && arg2 & ~(O_ACCMODE|O_NONBLOCK|O_LARGEFILE) == 0 # 3 times",
		"\n\tarch amd64 { arch_prctl } ",
		"\n# left out, the launch admits one exec by itself: execve(0x",
		"\n# left out, no profile has it: ptrace(",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "\n\tread") || strings.Contains(text, "mmap: arg2 & PROT_EXEC == 0 }        # 3 times at the start") {
		t.Errorf("what is admitted anyway is in the start block:\n%s", text)
	}
	// Everything that was seen is admitted, or refused with an errno.
	p, err := seccomp.Parse("p", files("p", text))
	if err != nil {
		t.Fatal(err)
	}
	vars := l.Vars
	vars["self_pid"] = []uint64{100}
	b, err := p.Bind(l.Arch, vars)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range l.Seen {
		d := b.Decide(s.Phase, s.Nr, s.Args)
		ended := d.Action == seccomp.Breach || d.Action == seccomp.Kill
		name := seccomp.CallName(l.Arch, s.Nr)
		if ended != (name == "execve" || name == "ptrace") {
			t.Errorf("%s %s: %v", s.Phase, seccomp.Describe(l.Arch, s.Nr, s.Args), d.Action)
		}
	}
}

// What a group admits is not said again.
func TestProposeBesideGroups(t *testing.T) {
	l := seccomp.Learned{Worker: "w", Arch: seccomp.ARM64, Groups: []string{"go-runtime", "sallyport-worker"}, Files: policy.Files, EmptyRoot: true,
		Vars: seccomp.Vars{"send_queues": {3}, "receive_queues": {}, "block_queues": {}, "frames": {64}}}
	l.Seen = recorded(t, seccomp.ARM64, []string{"openat(AT_FDCWD,_,0)", "read(1)", "prlimit64(0,7)"}, []string{"read(1)", "pread64(3,_,64,0)", "futex(_,128)", "tgkill(5,6,23)", "msgsnd(3,_,64,IPC_NOWAIT)"})
	text, err := seccomp.Propose(l)
	if err != nil {
		t.Fatal(err)
	}
	_, rules, _ := strings.Cut(text, "include @sallyport-worker\n")
	if want := "pread64                                  # 3 times while running\n"; rules != want {
		t.Errorf("got %q", text)
	}
}

// A hostile worker cannot make the recorder grow.
func TestRecorderIsBounded(t *testing.T) {
	r := seccomp.NewRecorder(seccomp.AMD64)
	for i := range uint64(100_000) {
		r.Record(seccomp.Running, 16, [6]uint64{1, i}) // ioctl
	}
	if seen, lost := r.All(); len(seen) != 4096 || lost != 100_000-4096 {
		t.Errorf("%d kept, %d lost", len(seen), lost)
	}
}
