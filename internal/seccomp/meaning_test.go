package seccomp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/seccomp"
)

func explain(t *testing.T, a seccomp.Arch, call string, v seccomp.Vars, text string) *seccomp.Explanation {
	t.Helper()
	p, err := seccomp.Parse("p", files("p", text))
	if err != nil {
		t.Fatal(err)
	}
	c, err := seccomp.ParseCall(call, a)
	if err != nil {
		t.Fatal(err)
	}
	full, _ := p.Supposed(c, v)
	b, err := p.Bind(a, full)
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Explain(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// outcomes is "WHEN: launching starting running; ...".
func outcomes(e *seccomp.Explanation) string {
	var all []string
	for _, o := range e.Outcomes {
		all = append(all, fmt.Sprintf("%s: %s %s %s", o.When, o.Decisions[0].Action, o.Decisions[1].Action, o.Decisions[2].Action))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func TestExplain(t *testing.T) {
	const text = `read
msgrcv: arg0 in $receive_queues && arg4 in {0, IPC_NOWAIT}
fcntl: arg1 in {F_GETFD, F_GETFL}; return EPERM
arch arm { mmap2: arg2 & PROT_EXEC == 0 }
start { openat: arg2 == O_CLOEXEC; fcntl: arg1 == F_SETFL && arg2 & ~O_NONBLOCK == 0 }
`
	for _, tt := range []struct {
		arch seccomp.Arch
		call string
		vars seccomp.Vars
		want string
	}{
		{seccomp.ARM, "read(3)", nil, ": allow allow allow"},
		{seccomp.ARM64, "msgrcv(7,_,_,-5)", nil, "arg4 == 0 || arg4 == IPC_NOWAIT: allow allow allow; otherwise: breach breach breach"},
		{seccomp.ARM64, "msgrcv(7,_,_,-5,0)", nil, ": allow allow allow"},
		{seccomp.ARM64, "msgrcv(7,_,_,-5,0)", seccomp.Vars{"receive_queues": {8}}, ": breach breach breach"},
		{seccomp.AMD64, "msgrcv(_,_,_,-5,0)", nil, "arg0 == $receive_queues: allow allow allow; otherwise: breach breach breach"},
		{seccomp.AMD64, "openat(_,_,_)", nil, "arg2 == O_CLOEXEC: breach continue breach; otherwise: breach breach breach"},
		{seccomp.AMD64, "openat(-100,_,O_CLOEXEC)", nil, ": breach continue breach"},
		{seccomp.AMD64, "fcntl(3, F_SETFL, _)", nil, "arg2 & ~0x800 == 0: errno continue errno; otherwise: errno errno errno"},
		{seccomp.AMD64, "fcntl(3, F_GETFL|0, 9)", nil, ": allow allow allow"},
		{seccomp.ARM, "mmap2(_,_,PROT_READ|PROT_EXEC)", nil, ": breach breach breach"},
		{seccomp.AMD64, "ptrace()", nil, ": kill kill kill"},
		{seccomp.AMD64, "0x40000000()", nil, ": kill kill kill"},
		{seccomp.AMD64, "execveat(1000,_,_,_,AT_EMPTY_PATH)", nil, ": continue breach breach"},
	} {
		if got := outcomes(explain(t, tt.arch, tt.call, tt.vars, text)); got != tt.want {
			t.Errorf("%s on %s:\ngot  %s\nwant %s", tt.call, tt.arch, got, tt.want)
		}
	}
}

func TestExplainLines(t *testing.T) {
	e := explain(t, seccomp.AMD64, "fcntl(3, F_SETFL, _)", nil, "read\nfcntl: arg1 == F_GETFL; return EPERM\nstart { fcntl: arg1 == F_SETFL && arg2 == 0; fcntl: arg0 == 3 }")
	var got []string
	for _, l := range e.Lines {
		got = append(got, fmt.Sprintf("%d %v %s", l.Line, l.Start, l.Says))
	}
	want := []string{"2 false does not hold: arg1", "3 true depends on arg2", "3 true holds"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestParseCallRefuses(t *testing.T) {
	for call, want := range map[string]string{
		"raed(3)":               `1:1: unknown call "raed"; did you mean "read"?`,
		"open(_)":               `arm64 has no call open`,
		"read":                  `expected ( after the call, found the end of the file`,
		"read(3":                `expected , or )`,
		"read(1,2,3,4,5,6,7)":   `a call has six arguments`,
		"read($frames)":         `a variable is no argument`,
		"socket(AF_UNIXX)":      `did you mean "AF_UNIX"?`,
		"close(0x100000000)":    `0x100000000 does not fit`,
		"read(3) x":             `expected the end of the call`,
		"(3)":                   `expected the name of a call`,
		"mmap(_,_,_,MAP_32BIT)": `MAP_32BIT has no value on arm64`,
		"read(\x00)":            `unexpected character`,
	} {
		if _, err := seccomp.ParseCall(call, seccomp.ARM64); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", call, err, want)
		}
	}
}

func differences(t *testing.T, a, b string) []string {
	t.Helper()
	x, err := seccomp.Parse("a", files("a", a))
	if err != nil {
		t.Fatal(err)
	}
	y, err := seccomp.Parse("b", files("b", b))
	if err != nil {
		t.Fatal(err)
	}
	all, err := seccomp.Diff(x, y)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range all {
		out = append(out, fmt.Sprintf("%s %q %v %v %v %v", d.Call, d.When, d.Archs, d.Phases, d.A.Action, d.B.Action))
	}
	return out
}

// Words do not count, meaning does.
func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want []string
	}{
		{"read\nwrite", "write\nread", nil},
		{"fcntl: arg1 in {F_GETFD, F_GETFL}", "fcntl: arg1 == F_GETFL\nfcntl: arg1 == F_GETFD", nil},
		{"close: arg0 != 3 && arg0 & 1 == 1", "close: arg0 & 3 == 1\nclose: arg0 & 1 == 1 && arg0 != 3", nil},
		{"read", "read\nwrite", []string{`write "" [amd64 arm64 arm] [launching starting running] breach allow`}},
		{"read", "read\nstart { openat }", []string{`openat "" [amd64 arm64 arm] [starting] breach continue`}},
		{"read\nclone3: return ENOSYS", "read\nclone3: return EPERM", []string{`clone3 "" [amd64 arm64 arm] [launching starting running] errno errno`}},
		{"read\nfcntl: arg1 == F_GETFL", "read\nfcntl: arg1 in {F_GETFL, F_SETFL}", []string{`fcntl "arg1 == F_SETFL" [amd64 arm64 arm] [launching starting running] breach allow`}},
		{"read\nmmap: arg2 & PROT_EXEC == 0", "read\nmmap", []string{`mmap "otherwise" [amd64 arm64] [launching starting running] breach allow`}},
		{"read\narch amd64 { open }", "read\narch arm { open }", []string{`open "" [amd64] [launching starting running] allow breach`, `open "" [arm] [launching starting running] breach allow`}},
		{"read\nmsgsnd: arg0 in $send_queues", "read\nmsgsnd: arg0 in $receive_queues", []string{`msgsnd "arg0 == $send_queues" [amd64 arm64 arm] [launching starting running] allow breach`, `msgsnd "arg0 == $receive_queues" [amd64 arm64 arm] [launching starting running] breach allow`}},
	} {
		if strings.Contains(tt.a, "mmap:") {
			tt.a, tt.b = strings.Replace(tt.a, "mmap:", "arch amd64 arm64 { mmap:", 1)+" }", strings.Replace(tt.b, "mmap", "arch amd64 arm64 { mmap }", 1)
		}
		if got := differences(t, tt.a, tt.b); !slices.Equal(got, tt.want) {
			t.Errorf("%q and %q:\ngot  %q\nwant %q", tt.a, tt.b, got, tt.want)
		}
	}
}
