package seccomp_test

import (
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/seccomp"
)

func TestRowsCallsVariables(t *testing.T) {
	_, err := seccomp.Parse("p", files("p", "read # words\ninclude @g\nstart { openat; read }\narch arm { mmap2 } # heap", "g", "msgsnd: arg0 in {$block_queues, 3} && (arg2 in $frames || arg2 & ~$self_pid == 0)"))
	if err == nil {
		t.Fatal("a start line that the filter has answered before is accepted")
	}
	p, err := seccomp.Parse("p", files("p", "read # words\ninclude @g\nstart { openat; write }\narch arm { mmap2 } # heap", "g", "msgsnd: arg0 in {$block_queues, 3} && (arg2 in $frames || arg2 & ~$self_pid == 0)"))
	if err != nil {
		t.Fatal(err)
	}
	rows := p.Rows()
	if len(rows) != 5 || rows[0].Reason != "words" || rows[1].Profile != "g" || !rows[2].Start || rows[4].Everywhere || !slices.Equal(rows[4].Archs, []seccomp.Arch{seccomp.ARM}) {
		t.Errorf("%+v", rows)
	}
	if text := rows[0].String(); text != "p.policy:1: read: words" {
		t.Error(text)
	}
	always, start := p.Calls(seccomp.AMD64)
	if !slices.Equal(always, []string{"msgsnd", "read"}) || !slices.Equal(start, []string{"openat", "write"}) {
		t.Errorf("%q, %q", always, start)
	}
	if got := p.Variables(); !slices.Equal(got, []string{"block_queues", "frames", "self_pid"}) {
		t.Errorf("%q", got)
	}
	if got := seccomp.Values([]uint64{7, seccomp.Symbols()["frames"][0]}); got != "{7, $frames}" {
		t.Error(got)
	}
	if !seccomp.IsVariable("frames") || seccomp.IsVariable("frame") || seccomp.ErrnoName(38) != "ENOSYS" {
		t.Error("names")
	}
	if got := seccomp.Includes("include @a\nread\ninclude @b\nraed wrong"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q", got)
	}
}

func TestTexts(t *testing.T) {
	texts := seccomp.Texts{"b.policy": "read", "a.policy": "write"}
	if got, err := fs.Glob(texts, "*.policy"); err != nil || !slices.Equal(got, []string{"a.policy", "b.policy"}) {
		t.Errorf("%q, %v", got, err)
	}
	f, err := texts.Open("b.policy")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Name() != "b.policy" || info.Size() != 4 || info.IsDir() || info.Mode() != 0o444 || !info.ModTime().IsZero() || info.Sys() != nil {
		t.Errorf("%+v, %v", info, err)
	}
	if text, err := io.ReadAll(f); err != nil || string(text) != "read" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := texts.Open("c.policy"); !strings.Contains(err.Error(), "not exist") {
		t.Error(err)
	}
}

// Programs that no compiler here makes: each is refused, none is run.
func TestProgramsThatAreRefused(t *testing.T) {
	b := bind(t, seccomp.AMD64, nil, "read")
	instruction := func(op, jt, jf byte, k byte) string { return string([]byte{op, 0, jt, jf, k, 0, 0, 0}) }
	ret := instruction(0x06, 0, 0, 0)
	for what, code := range map[string]string{
		"program of 0 bytes":               "",
		"program of 7 bytes":               "1234567",
		"neither number, architecture nor": instruction(0x20, 0, 0, 8) + ret,
		"load at offset 3":                 instruction(0x20, 0, 0, 3) + ret,
		"jump behind the end":              instruction(0x15, 1, 0, 0) + ret,
		"instruction 0: jump behind":       instruction(0x05, 0, 0, 9) + ret,
		"operation 0x4 is none":            instruction(0x04, 0, 0, 1) + ret,
		"the last instruction is no":       ret + instruction(0x54, 0, 0, 1),
	} {
		p := seccomp.NewProgram(seccomp.AMD64, "p", []byte(code))
		if err := seccomp.Verify(b, p); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
		if _, err := p.Run(0, [6]uint64{}); err == nil {
			t.Errorf("%s: it was run", what)
		}
		if _, _, err := p.Trace(0, [6]uint64{}); err == nil || p.Listing() != err.Error() {
			t.Errorf("%s: it was traced: %s", what, p.Listing())
		}
	}
	if err := seccomp.Verify(b, seccomp.NewProgram(seccomp.ARM, "p", []byte(ret))); err == nil || !strings.Contains(err.Error(), "program for arm") {
		t.Error(err)
	}
}

// The jumps and masks that libseccomp uses now and then.
func TestTraceOfEveryOperation(t *testing.T) {
	at := func(op, jt, jf, k byte) []byte { return []byte{op, 0, jt, jf, k, 0, 0, 0} }
	var code []byte
	for _, in := range [][]byte{
		at(0x20, 0, 0, 16), // arg0
		at(0x54, 0, 0, 0x0f),
		at(0x25, 3, 0, 8), // > 8
		at(0x35, 1, 0, 4), // >= 4
		at(0x45, 2, 3, 2), // & 2
		at(0x05, 0, 0, 3), // ja: allow
		{0x06, 0, 0, 0, 1, 0, 5, 0},
		{0x06, 0, 0, 0, 2, 0, 5, 0},
		{0x06, 0, 0, 0, 3, 0, 5, 0},
		{0x06, 0, 0, 0, 0, 0, 0xff, 0x7f},
	} {
		code = append(code, in...)
	}
	p := seccomp.NewProgram(seccomp.ARM64, "p", code)
	for arg := range uint64(32) {
		want, err := p.Run(1, [6]uint64{arg})
		if err != nil {
			t.Fatal(err)
		}
		lines, got, err := p.Trace(1, [6]uint64{arg})
		if err != nil || got != want {
			t.Errorf("arg0 %d: %v (%v), want %v:\n%s", arg, got, err, want, strings.Join(lines, "\n"))
		}
	}
	if !strings.Contains(p.Listing(), "; arg0\n") || !strings.Contains(p.Listing(), "; errno EPERM") {
		t.Error(p.Listing())
	}
}
