package testsum_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testsum"
)

// run makes a module of the files (name, content, ...), tests it for real, and
// reads the events.
func run(t *testing.T, files ...string) *testsum.Sum {
	t.Helper()
	dir := t.TempDir()
	files = append(files, "go.mod", "module m\n\ngo 1.26\n")
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-json", "-vet=off", "-count=1", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	out, _ := cmd.Output() // it exits 1 when a test fails
	sum, err := testsum.Read(strings.NewReader(string(out)), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

const suite = `package a
import "testing"
func TestPass(t *testing.T)  {}
func TestGroup(t *testing.T) {
	t.Run("good", func(t *testing.T) {})
	t.Run("bad", func(t *testing.T) { t.Error("two and two is five") })
	t.Run("skip", func(t *testing.T) { t.Skip("needs a drill: none here") })
}
func TestSkip(t *testing.T) { t.Log("looking"); t.Skipf("needs root") }
`

func TestCountsTheLowestLevel(t *testing.T) {
	sum := run(t, "a/a_test.go", suite, "b/b.go", "package b\n")
	if len(sum.Passed) != 2 || len(sum.Failed) != 1 || len(sum.Skipped) != 2 {
		t.Fatalf("passed %v\nfailed %v\nskipped %v", sum.Passed, sum.Failed, sum.Skipped)
	}
	if got := sum.Failed[0].String(); got != "m/a TestGroup/bad" {
		t.Errorf("failed: %s", got)
	}
	if sum.OK() {
		t.Error("a failed run is called a success")
	}
}

func TestReportEndsWithTheCounts(t *testing.T) {
	sum := run(t, "a/a_test.go", suite)
	var report strings.Builder
	sum.Report(&report)
	text := report.String()
	if !strings.HasSuffix(text, "\n2 passed, 1 failed, 2 skipped\n") {
		t.Errorf("the last line is wrong:\n%s", text)
	}
	for _, want := range []string{"two and two is five", "  needs root (1)\n      m/a TestSkip\n", "  needs a drill: none here (1)\n      m/a TestGroup/skip\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

func TestBrokenPackagesCount(t *testing.T) {
	for name, src := range map[string]string{
		"does not build":  "package a\nimport \"testing\"\nfunc TestA(t *testing.T) { undefined() }\n",
		"panics":          "package a\nimport \"testing\"\nfunc TestA(t *testing.T) { panic(\"ouch\") }\n",
		"exits":           "package a\nimport (\"testing\";\"os\")\nfunc TestA(t *testing.T) { os.Exit(3) }\n",
		"fails in main":   "package a\nimport (\"testing\";\"os\")\nfunc TestMain(m *testing.M) { m.Run(); os.Exit(1) }\nfunc TestA(t *testing.T) {}\n",
		"panics in a sub": "package a\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Run(\"b\", func(t *testing.T) { panic(\"ouch\") }) }\n",
	} {
		t.Run(name, func(t *testing.T) {
			sum := run(t, "a/a_test.go", src)
			if len(sum.Failed) != 1 || sum.OK() {
				t.Fatalf("failed: %q", sum.Failed)
			}
			if name == "does not build" && !strings.Contains(sum.Failed[0].Output, "undefined: undefined") {
				t.Errorf("the compiler's words are lost: %q", sum.Failed[0].Output)
			}
		})
	}
}

func TestEndedStreamCountsWhatWasRunning(t *testing.T) {
	stream := `{"Action":"start","Package":"m/a"}` + "\n" + `{"Action":"run","Package":"m/a","Test":"TestA"}` + "\n"
	sum, err := testsum.Read(strings.NewReader(stream), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Failed) == 0 || sum.OK() {
		t.Error("a run that was cut off is called a success")
	}
}

func TestNoTestsIsNoSuccess(t *testing.T) {
	sum, err := testsum.Read(strings.NewReader("go: cannot find main module\n"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if sum.OK() || len(sum.Stray) != 1 {
		t.Errorf("ok %v, stray lines %q", sum.OK(), sum.Stray)
	}
}

// TestJoinTellsBuildsApart: the same test of two builds is two tests, and the
// list of required ones means both.
func TestJoinTellsBuildsApart(t *testing.T) {
	plain, tagged := run(t, "a/a_test.go", suite), run(t, "a/a_test.go", suite)
	sum := new(testsum.Sum)
	sum.Join(plain, "")
	sum.Join(tagged, "fault")
	if len(sum.Passed) != 4 || len(sum.Failed) != 2 || len(sum.Skipped) != 4 {
		t.Fatalf("passed %v\nfailed %v\nskipped %v", sum.Passed, sum.Failed, sum.Skipped)
	}
	if got := sum.Failed[1].String(); got != "m/a [fault] TestGroup/bad" {
		t.Errorf("failed: %s", got)
	}
	list, err := testsum.ReadRequired(strings.NewReader("a TestSkip\n"))
	if err != nil {
		t.Fatal(err)
	}
	sum.Require("m", list)
	if len(sum.Failed) != 4 || len(sum.Skipped) != 2 {
		t.Errorf("failed %v\nskipped %v", sum.Failed, sum.Skipped)
	}
}
