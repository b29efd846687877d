package seccomp_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"sallyport/internal/seccomp"
)

// files makes a folder of profiles: name, text, name, text...
func files(pairs ...string) fstest.MapFS {
	fsys := make(fstest.MapFS)
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]+".policy"] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

func TestParseErrors(t *testing.T) {
	many := strings.Repeat("read\n", 5000)
	for _, tt := range []struct {
		name, text string
		want       []string // each a part of one line of the error
	}{
		{"unknown call", "read\nraed", []string{`p.policy:2:1: unknown call "raed"`, `did you mean "read"?`}},
		{"call of another architecture", "open", []string{`p.policy:1:1: arm64 has no call open; write arch amd64 arm { open }`}},
		{"unknown in an arch block", "read\narch arm { mmap2; mmap3 }", []string{`p.policy:2:19: unknown call "mmap3"`}},
		{"unknown constant", "mmap: arg2 & PROT_EXCE == 0", []string{`p.policy:1:14: unknown constant "PROT_EXCE"`, `did you mean "PROT_EXEC"?`}},
		{"constant of another architecture", "mmap: arg3 == MAP_32BIT", []string{`constant MAP_32BIT has no value on arm64`}},
		{"unknown variable", "msgsnd: arg0 in $send_queue", []string{`p.policy:1:17: unknown variable $send_queue`, `did you mean "send_queues"?`}},
		{"unknown errno", "clone3: return ENOSYSS", []string{`did you mean "ENOSYS"?`}},
		{"unknown architecture", "arch arm_64 { read }", []string{`p.policy:1:6: expected an architecture, found "arm_64"`, `did you mean "arm64"?`}},
		{"all at once", "raed\nwirte\nfcntl: arg9 == 1", []string{`:1:1: unknown call`, `:2:1: unknown call`, `:3:8: expected an argument`}},
		{"pointer", "openat: arg1 == 0", []string{`p.policy:1:9: arg1 (path) of openat is a pointer`}},
		{"offset", "pread64: arg3 == 0", []string{`32-bit arm passes it in two registers`}},
		{"too many arguments", "close: arg1 == 0", []string{`close has no arg1`}},
		{"no table", "lookup_dcookie: arg0 == 0", []string{`no conditions on lookup_dcookie`}},
		{"range", "close: arg0 < 3", []string{`p.policy:1:13: expected ==, != or in, found "<"`, "write a mask"}},
		{"too large for the argument", "close: arg0 == 0x100000000", []string{`0x100000000 does not fit: arg0 of close has 32 bits`}},
		{"too large for arm", "msgrcv: arg3 == 0x100000000", []string{`has 32 bits on arm`}},
		{"never", "ptrace", []string{`ptrace is never admitted`}},
		{"never, optional", "optional { io_uring_setup }", []string{`io_uring_setup is never admitted`}},
		{"exec", "start { execve }", []string{`execve is not for profiles`}},
		{"clone open", "clone", []string{`clone with namespace flags`}},
		{"clone with a namespace", "clone: arg0 == CLONE_NEWUSER", []string{`clone with namespace flags`}},
		{"two answers", "clone3: return ENOSYS\nclone3: return EPERM", []string{`p.policy:2:1: "clone3: return EPERM" contradicts p.policy:1:1`}},
		{"admitted and refused", "clone3\nclone3: return EPERM", []string{`one admits what the other refuses`}},
		{"pointless condition", "close\nclose: arg0 == 1", []string{`the condition of the other means nothing`}},
		{"pointless start", "openat\nstart { openat: return ENOENT }", []string{`the filter has answered before`}},
		{"start in start", "start { start { read } }", []string{`a start block inside a start block`}},
		{"open block", "start { read\n", []string{`the file ends inside a block`}},
		{"two on a line", "read write", []string{`p.policy:1:6: expected the end of the line, found "write"`}},
		{"odd characters", "read\n\x00\xff", []string{`p.policy:2:1: unexpected character`}},
		{"stray brace", "read\n}", []string{`p.policy:2:1: expected the name of a call`}},
		{"empty", "# nothing\n", []string{`p.policy:1:1: the profile allows nothing`}},
		{"unknown group", "include @go-runtme\nread", []string{`p.policy:1:9: cannot read "go-runtme": there is no go-runtme.policy; did you mean "go-runtime"?`}},
		{"includes itself", "include @p", []string{`p.policy:1:9: group @p includes itself: p includes p`}},
		{"include in a block", "start { include @go-runtime }", []string{`include inside a block`}},
		{"enormous", strings.Repeat("# "+strings.Repeat("x", 98)+"\n", 3000), []string{`larger than 256 KiB`}},
		{"many rules", many, []string{`more than 4096 rules`}},
		{"deep", "read: " + strings.Repeat("(", 99), []string{`nested too deeply`}},
		{"deep blocks", strings.Repeat("optional {", 99), []string{`nested too deeply`}},
		{"too wide in all", strings.Repeat("prctl: arg0 != 1\n", 200), []string{`p.policy:129:1: the profile is too wide`, "more than 4096 alternatives"}},
		{"too wide", "prctl: arg1 != 1 && arg2 != 2 && arg3 != 3", []string{`the condition is too wide`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := seccomp.Parse("p", files("p", tt.text, "go-runtime", "write"))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("no %q in:\n%s", w, err)
				}
			}
		})
	}
}

func TestParseIncludesOnce(t *testing.T) {
	p, err := seccomp.Parse("a", files("a", "include @b\ninclude @c\nread", "b", "include @c\nwrite", "c", "close: arg0 == 1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bind(seccomp.AMD64, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := b.Decide(seccomp.Running, number(t, seccomp.AMD64, "close"), [6]uint64{1})
	if d.Action != seccomp.Allow || d.Profile != "c" || d.Line != 1 || d.Rule != "close: arg0 == 1" {
		t.Errorf("close(1): %+v", d)
	}
}

func TestParseRecursionThroughAnother(t *testing.T) {
	_, err := seccomp.Parse("a", files("a", "include @b", "b", "read\ninclude @a"))
	if err == nil || !strings.Contains(err.Error(), "b.policy:2:9: group @a includes itself: a includes b includes a") {
		t.Error(err)
	}
}

func number(t *testing.T, a seccomp.Arch, name string) uint32 {
	t.Helper()
	nr, ok := seccomp.CallNumber(a, name)
	if !ok {
		t.Fatalf("%s has no call %s", a, name)
	}
	return nr
}

func bind(t *testing.T, a seccomp.Arch, v seccomp.Vars, text string) *seccomp.Bound {
	t.Helper()
	p, err := seccomp.Parse("p", files("p", text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bind(a, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
