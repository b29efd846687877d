package confinement_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/internal/testenv"
	"sallyport/policy"
)

var update = flag.Bool("update", false, "write the table in the document")

const document = "../../docs/confinement-outcomes.md"

// few are the profiles of a short run: a worker in Go, and an interpreter.
var few = []string{"sensor-read", "exec-shim"}

var built launchtest.Built

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Geteuid() == 0 {
		var err error
		built, err = launchtest.Build()
		defer os.RemoveAll(built.Dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// TestOutcomes compares what comes of every deed with the document, which has a
// column for each profile. PROFILES=all goes through all of them.
func TestOutcomes(t *testing.T) {
	testenv.NeedRoot(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: the document's table is of its system calls")
	}
	worker := compiled(t)
	profiles := few
	if *update || os.Getenv("PROFILES") == "all" {
		profiles = policy.Roles
	}
	got := map[string]map[string]string{} // by deed and profile
	l := newLauncher(t)
	for _, p := range profiles {
		f := filterOf(t, p)
		for _, d := range deeds {
			if got[d.name] == nil {
				got[d.name] = map[string]string{}
			}
			outcome, err := try(l, worker, f, d)
			if err != nil {
				t.Errorf("%s under %s: %v", d.name, p, err)
			}
			got[d.name][p] = outcome
		}
	}
	if *update {
		write(t, profiles, got)
	}
	want := documented(t)
	for _, d := range deeds {
		for _, p := range profiles {
			if want[d.name][p] != got[d.name][p] {
				t.Errorf("%s under %s: %s, the document says %q", d.name, p, got[d.name][p], want[d.name][p])
			}
		}
	}
}

// compiled builds the worker.
func compiled(t *testing.T) string {
	t.Helper()
	cc := "cc"
	if set := os.Getenv("CC"); set != "" {
		cc = set
	}
	out := filepath.Join(t.TempDir(), "deed")
	said, err := exec.Command(cc, "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-no-pie",
		"-o", out, "testdata/deed.c").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs a C compiler")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return out
}

type filter struct {
	bound   *seccomp.Bound
	program []byte
}

func filterOf(t *testing.T, profile string) filter {
	t.Helper()
	p, err := seccomp.Parse(profile, policy.Files)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bind(seccomp.Native(), seccomp.Vars{"send_queues": {}, "block_queues": {}, "receive_queues": {}, "frames": {}, "self_pid": {seccomp.PIDTemplate}})
	if err != nil {
		t.Fatal(err)
	}
	program, err := scmp.Compile(b)
	if err != nil {
		t.Fatal(err)
	}
	return filter{b, program.BPF}
}

func (f filter) decide(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
	switch d := f.bound.Decide(phase, uint32(nr), args); d.Action {
	case seccomp.Continue:
		return launch.Verdict{Continue: true}
	case seccomp.Errno:
		return launch.Verdict{Errno: int32(d.Errno)}
	}
	return launch.Verdict{}
}

func newLauncher(t *testing.T) *launch.Launcher {
	t.Helper()
	stage, err := os.Open(built.Stage)
	if err != nil {
		t.Fatal(err)
	}
	l, err := launch.New(stage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		stage.Close()
	})
	return l
}

// try starts the worker, lets it do the deed once it runs, and puts what comes of
// it into a word: allowed, the name of an errno, ended (a breach, which has to name
// the very call), or killed (by the filter itself).
func try(l *launch.Launcher, worker string, f filter, d deed) (string, error) {
	exe, err := os.Open(worker)
	if err != nil {
		return "", err
	}
	defer exe.Close()
	args := []string{"deed"}
	for i, c := range d.calls {
		if i > 0 {
			args = append(args, "--")
		}
		for _, word := range c {
			args = append(args, fmt.Sprint(word))
		}
	}
	v, err := launchtest.StartFile(l, exe, launch.Spec{Name: "deed", Args: args, Filter: f.program, Decide: f.decide})
	if err != nil {
		return "", err
	}
	v.SetPhase(launch.Running)
	said, err := "", v.Tell(strconv.Itoa(os.Getpid()))
	if err == nil {
		said, err = v.Hear()
	}
	if endErr := v.End(); err == nil {
		err = endErr
	}
	if err != nil {
		return "", err
	}
	exit := v.Exit()
	switch {
	case exit.Breach != nil:
		if nr, ok := d.calls[len(d.calls)-1][0].(int); !ok || int(exit.Breach.Nr) != nr {
			return "ended", fmt.Errorf("the breach names another call: %v", exit.Breach)
		}
		return "ended", nil
	case said == "" && exit.Status.Signaled() && exit.Status.Signal() == unix.SIGSYS:
		return "killed", nil
	}
	n, err := strconv.Atoi(said)
	if err != nil {
		return "", fmt.Errorf("it said %q and ended with status %#x", said, uint32(exit.Status))
	}
	if n < 0 && n > -4096 {
		return unix.ErrnoName(unix.Errno(-n)), nil
	}
	return "allowed", nil
}

// documented reads the table: a row a deed, a column a profile.
func documented(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]map[string]string{}
	var head []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "|") || strings.HasPrefix(cells[0], "---"):
		case head == nil:
			head = cells
		default:
			table[cells[0]] = map[string]string{}
			for i := 1; i < len(cells) && i < len(head); i++ {
				table[cells[0]][head[i]] = cells[i]
			}
		}
	}
	return table
}

// write puts the table into the document, in the place of the old one.
func write(t *testing.T, profiles []string, got map[string]map[string]string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "\n| ")
	profiles = slices.Clone(profiles)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n| a worker tries | %s |\n|%s\n", before, strings.Join(profiles, " | "), strings.Repeat(" --- |", len(profiles)+1))
	for _, d := range deeds {
		fmt.Fprintf(&b, "| %s |", d.name)
		for _, p := range profiles {
			fmt.Fprintf(&b, " %s |", got[d.name][p])
		}
		b.WriteString("\n")
	}
	if err := os.WriteFile(document, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
