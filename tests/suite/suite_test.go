package suite_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testenv"
)

// outcome runs one program under a profile and says in two words how it ended.
func outcome(profile, program string) (string, error) {
	cmd := exec.Command("../../bin/sallyport", "policy", "test", profile, "--json", "--start-grace", "200ms", "--memory", "256", "--", program)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	var got struct {
		Exit   int
		Signal string
		Breach *struct{ Call string }
	}
	if jsonErr := json.Unmarshal(out, &got); jsonErr != nil {
		return "", fmt.Errorf("%s: %w: %s", program, errors.Join(err, jsonErr), said.String())
	}
	switch {
	case got.Breach != nil:
		call, _, _ := strings.Cut(got.Breach.Call, "(")
		return "breach " + call, nil
	case got.Signal == "SIGSYS":
		return "kill", nil
	case got.Signal != "":
		return "signal " + got.Signal, nil
	}
	return fmt.Sprintf("exit %d", got.Exit), nil
}

// run gives the outcome of every program of a folder.
func run(t *testing.T, profile, folder string) map[string]string {
	t.Helper()
	testenv.NeedRoot(t)
	if _, err := os.Stat("../../bin/supervisor"); err != nil {
		t.Skip("needs bin/supervisor: make build")
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		if got[e.Name()], err = outcome(profile, filepath.Join(folder, e.Name())); err != nil {
			t.Error(err)
			got[e.Name()] = "not run"
		}
	}
	return got
}

// table reads the outcomes that are expected.
func table(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	want := make(map[string]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if name, how, found := strings.Cut(strings.TrimSpace(text), " "); found {
			want[name] = strings.TrimSpace(how)
		}
	}
	return want, lines.Err()
}

// compare is a line for each program whose outcome is not the expected one.
func compare(got, want map[string]string) (wrong []string) {
	all := maps.Clone(got)
	maps.Copy(all, want)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch g, w := got[name], want[name]; {
		case g == "":
			wrong = append(wrong, fmt.Sprintf("%s: it is in the table and not in the folder", name))
		case w == "":
			wrong = append(wrong, fmt.Sprintf("%s: %s; it is not in the table", name, g))
		case g != w:
			wrong = append(wrong, fmt.Sprintf("%s: %s, want %s", name, g, w))
		}
	}
	return wrong
}

// TestSuite runs the folder that SUITE names.
func TestSuite(t *testing.T) {
	folder := os.Getenv("SUITE")
	if folder == "" {
		t.Skip("needs SUITE, a folder of built programs: make suite SUITE=path")
	}
	profile, file := os.Getenv("PROFILE"), os.Getenv("TABLE")
	if profile == "" {
		profile = "c-basic"
	}
	if file == "" {
		file = filepath.Join(folder, "expected.txt")
	}
	got := run(t, profile, folder)
	if os.Getenv("UPDATE") != "" {
		var text strings.Builder
		for _, name := range slices.Sorted(maps.Keys(got)) {
			fmt.Fprintf(&text, "%s %s\n", name, got[name])
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := table(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("there is no table %s; UPDATE=1 writes one", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range compare(got, want) {
		t.Error(line)
	}
	t.Logf("%d programs under %s", len(got), profile)
}

// TestOutcomes builds a program for each outcome, and a table that is wrong in
// every way a table can be.
func TestOutcomes(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("needs cc, a C compiler")
	}
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"good", "seven", "abort", "socket", "ptrace"} {
		text, err := exec.Command(cc, "-static", "-DENDS_"+name, "-o", filepath.Join(folder, name), "testdata/ends.c").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	got := run(t, "c-basic", folder)
	want, err := table("testdata/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	if wrong := compare(got, want); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
	delete(want, "good")
	want["seven"], want["more"] = "exit 0", "exit 0"
	if wrong := strings.Join(compare(got, want), "; "); wrong != "good: exit 0; it is not in the table; more: it is in the table and not in the folder; seven: exit 7, want exit 0" {
		t.Errorf("%q", wrong)
	}
}
