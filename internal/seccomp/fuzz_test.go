package seccomp_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// patience is far above what any profile may take, on a machine that is busy.
const patience = 60 * time.Second

// FuzzPolicy: whatever stands in a profile and in a file that it includes ends
// in a profile or in mistakes that all have a position, within a bounded time;
// what is read can be bound, judged, asked and compared with itself.
func FuzzPolicy(f *testing.F) {
	for _, s := range []string{
		"read", "start { openat: return ENOENT; prctl: arg0 == 1 }", "msgsnd: (arg0 in {1, 0x2} || arg2 & ~7 != 0) && arg3 == IPC_NOWAIT; return EPERM",
		"include @p", "include @other\nread", "arch arm, arm64 { read }", "optional { x; rseq }\n}", "a:(((arg0&(", "clone: arg0 == -1|~$frames",
		"acknowledge { ptrace } # why", "prctl: arg0 != 1 && arg1 != 2", "fcntl: arg1 == F_GETFD; return EPERM\nstart { fcntl }", strings.Repeat("start {", 40),
		"tgkill: arg0 == $self_pid", "ioctl: arg1 in {I2C_SMBUS, 0x" + strings.Repeat("f", 40) + "}", "#" + strings.Repeat("x", 5000), "read\x00\xff\r\n;;{}",
	} {
		f.Add(s, "include @p\nwrite")
	}
	files, err := fs.Glob(policy.Files, "*"+seccomp.Extension)
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(policy.Files, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "read")
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		begin := time.Now()
		defer func() {
			if took := time.Since(begin); took > patience {
				t.Errorf("it took %v", took)
			}
		}()
		p, err := seccomp.Parse("p", seccomp.Texts{"p.policy": text, "other.policy": other, "go-runtime.policy": "write"})
		if err != nil {
			positioned(t, err)
			return
		}
		if err := p.Undoes(); err != nil {
			positioned(t, err)
		}
		for _, a := range seccomp.Archs {
			b, err := p.Bind(a, seccomp.Vars{"send_queues": {1, 2}, "receive_queues": nil, "block_queues": {3}, "frames": {64, 256}})
			if err != nil {
				positioned(t, err)
				continue
			}
			_ = b.Decide(seccomp.Starting, 1, [6]uint64{1, 2, 3, 4, 5, 6})
			if n := len(b.Rules()); n > 5000 {
				t.Errorf("%d rules", n)
			}
			if c, err := seccomp.ParseCall("fcntl(_,_,_)", a); err == nil {
				_, _ = b.Explain(c) // too many cases is an answer
			}
		}
		if all, err := seccomp.Diff(p, p); err == nil && len(all) > 0 {
			t.Errorf("it differs from itself: %+v", all[0])
		}
	})
}

func positioned(t *testing.T, err error) {
	t.Helper()
	problems, ok := err.(seccomp.Problems)
	if !ok || len(problems) == 0 {
		t.Fatalf("%T: %v", err, err)
	}
	for _, p := range problems {
		if p.Pos.File == "" || p.Pos.Line == 0 || p.What == "" {
			t.Errorf("no position: %+v", p)
		}
	}
}

// FuzzOCI: whatever is imported is a profile that can be read, or an error.
func FuzzOCI(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"}]}]}`))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":70000},{"names":["write"],"action":"SCMP_ACT_ALLOW"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, _, err := seccomp.ImportOCI(data)
		if err != nil {
			return
		}
		if _, err := seccomp.Parse("p", seccomp.Texts{"p.policy": text}); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	})
}
