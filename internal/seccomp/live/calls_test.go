package live_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/internal/testenv"
	"sallyport/policy"
)

// call is one of testdata/calls.c.
type call struct {
	Nr     uint64
	Args   [6]uint64
	Legacy uint32 // by int 0x80
	Alone  uint32 // the profile admits it: it has a process for itself
}

// result is what came of it.
type result struct {
	Value int64 // what it returned, or the signal that it died of
	State uint64
}

const (
	returned = 2
	died     = 3
	blocked  = 4
)

var callsDir string // removed by TestMain

var buildCalls = sync.OnceValues(func() (string, error) {
	var err error
	if callsDir, err = os.MkdirTemp("", "calls"); err != nil {
		return "", err
	}
	exe := filepath.Join(callsDir, "calls")
	out, err := exec.Command("cc", "-O2", "-Wall", "-Werror", "-static", "-o", exe, "testdata/calls.c").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return exe, nil
})

// filterOf compiles a profile whose worker has two lanes.
func filterOf(t *testing.T, role string) (*seccomp.Bound, *seccomp.Program) {
	t.Helper()
	p, err := seccomp.Parse(role, policy.Files)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bind(seccomp.Native(), seccomp.Symbols())
	if err != nil {
		t.Fatal(err)
	}
	program, err := scmp.Compile(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := seccomp.Verify(b, program); err != nil {
		t.Fatal(err)
	}
	return b, program
}

// makeCalls makes them under the real filter.
func makeCalls(t *testing.T, program *seccomp.Program, calls []call) []result {
	t.Helper()
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skipf("needs a 64-bit system that the program in C knows, this is %s", runtime.GOARCH)
	}
	exe, err := buildCalls()
	testenv.Need(t, "cc, a C compiler with a static library", err)
	dir := t.TempDir()
	var list bytes.Buffer
	if err := binary.Write(&list, binary.LittleEndian, calls); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"filter": program.BPF, "calls": list.Bytes(), "results": make([]byte, 16*len(calls))}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(exe, filepath.Join(dir, "filter"), filepath.Join(dir, "calls"), filepath.Join(dir, "results"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "results"))
	if err != nil {
		t.Fatal(err)
	}
	results := make([]result, len(calls))
	if err := binary.Read(bytes.NewReader(text), binary.LittleEndian, results); err != nil {
		t.Fatal(err)
	}
	return results
}

// judge compares what came of a call with the model's verdict, "" when it fits.
// A notice that nobody hears fails with ENOSYS.
func judge(c call, r result, want seccomp.FilterVerdict) string {
	got := fmt.Sprintf("returned %d", r.Value)
	switch r.State {
	case died:
		got = "died of " + unix.SignalName(unix.Signal(r.Value))
	case blocked:
		got = "did not return"
	case returned:
	default:
		got = "was not made"
	}
	fits := false
	errno, refused := want.Errno()
	switch {
	case want == seccomp.FilterKill:
		fits = r.State == died && unix.Signal(r.Value) == unix.SIGSYS
	case want == seccomp.FilterNotify:
		fits = r.State == returned && r.Value == -int64(unix.ENOSYS)
	case refused:
		fits = r.State == returned && r.Value == -int64(errno)
	default:
		// It ran: whatever came of it, the filter neither refused it nor killed.
		fits = r.State != 0 && got != "died of SIGSYS" && !(r.State == returned && r.Value == -int64(unix.ENOSYS))
	}
	if fits {
		return ""
	}
	how := ""
	if c.Legacy != 0 {
		how = " by int 0x80"
	}
	return fmt.Sprintf("%s%s: %s, and the profile says %s", seccomp.Describe(seccomp.Native(), uint32(c.Nr), c.Args), how, got, want)
}

// unfiltered are calls that filters do not stop on some kernels: uretprobe and
// uprobe, which do nothing outside of the trampolines that the kernel itself made.
func unfiltered(c call) bool {
	return runtime.GOARCH == "amd64" && c.Legacy == 0 && (c.Nr == 335 || c.Nr == 336)
}

// TestSweep makes every call number from 0 to 600 under every profile, with the
// numbers of x32 and by int 0x80 too, and compares with the model.
func TestSweep(t *testing.T) {
	const last = 600
	for _, role := range policy.Roles {
		t.Run(role, func(t *testing.T) {
			b, program := filterOf(t, role)
			var calls []call
			var want []seccomp.FilterVerdict
			add := func(c call, v seccomp.FilterVerdict) {
				if v == seccomp.FilterAllow {
					c.Alone = 1
				}
				calls, want = append(calls, c), append(want, v)
			}
			for nr := range uint64(last + 1) {
				add(call{Nr: nr}, b.Filter(uint32(nr), [6]uint64{}))
				if b.Arch != seccomp.AMD64 {
					continue
				}
				add(call{Nr: nr | 0x40000000}, b.Filter(uint32(nr|0x40000000), [6]uint64{}))
				if legacyCalls(t) {
					add(call{Nr: nr, Legacy: 1}, seccomp.FilterKill)
				}
			}
			count := make(map[string]int)
			for i, r := range makeCalls(t, program, calls) {
				count[want[i].String()]++
				if wrong := judge(calls[i], r, want[i]); wrong != "" && !unfiltered(calls[i]) {
					t.Error(wrong)
				}
			}
			t.Logf("%d calls: %v", len(calls), count)
			if count["allow"] < 20 || count["notify"] < 100 || count["kill"] < 20 {
				t.Errorf("only %v", count)
			}
		})
	}
}

// legacyCalls reports whether this kernel takes calls of 32-bit programs: without
// a filter, getpid (20) by int 0x80 returns.
var legacyResult struct {
	once sync.Once
	is   bool
}

func legacyCalls(t *testing.T) bool {
	legacyResult.once.Do(func() {
		const allowAll = "\x06\x00\x00\x00\x00\x00\xff\x7f"
		open := seccomp.NewProgram(seccomp.Native(), "open", []byte(allowAll))
		r := makeCalls(t, open, []call{{Nr: 20, Legacy: 1, Alone: 1}})
		legacyResult.is = r[0].State == returned && r[0].Value > 0
		t.Logf("calls by int 0x80: %v", legacyResult.is)
	})
	return legacyResult.is
}

// TestSweepSees shows that the sweep finds a filter that admits more, or less,
// than its profile.
func TestSweepSees(t *testing.T) {
	b, _ := filterOf(t, "sensor-read")
	_, other := filterOf(t, "gpio-line")
	getppid, _ := seccomp.CallNumber(b.Arch, "getppid")
	pwrite, _ := seccomp.CallNumber(b.Arch, "pwrite64")
	lseek, _ := seccomp.CallNumber(b.Arch, "lseek")
	var wrong []string
	calls := []call{{Nr: uint64(getppid)}, {Nr: uint64(pwrite)}, {Nr: uint64(lseek), Alone: 1}}
	for i, r := range makeCalls(t, other, calls) {
		wrong = append(wrong, judge(calls[i], r, b.Filter(uint32(calls[i].Nr), calls[i].Args)))
	}
	if wrong[0] != "" || !strings.Contains(wrong[1], "pwrite64(0, NULL, 0, 0): returned ") || !strings.Contains(wrong[2], "lseek(0, 0, 0): returned -38, and the profile says allow") {
		t.Errorf("%q", wrong)
	}
}
