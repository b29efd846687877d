package archtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/config"
)

// block returns the text of the README between "```kind" and "```".
func block(t *testing.T, kind string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```"+kind+"\n")
	code, _, ended := strings.Cut(rest, "\n```\n")
	if !found || !ended {
		t.Fatalf("the README has no block of %s", kind)
	}
	return code + "\n"
}

// TestReadmeConfiguration: what a reader copies first has no mistake.
func TestReadmeConfiguration(t *testing.T) {
	if _, err := config.Parse("README.md", []byte(block(t, "hcl"))); err != nil {
		t.Error(err)
	}
}

// TestReadmeWorker: the worker in the README builds as the text says.
func TestReadmeWorker(t *testing.T) {
	if _, err := os.Stat("../../pkg/worker"); err != nil {
		t.Skip("needs pkg/worker: not written yet")
	}
	// Beneath the module, so that its imports are the module's own.
	dir, err := os.MkdirTemp(".", "_readme")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(block(t, "go")), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", os.DevNull, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReadmeFirstScreen: two commands, and no third before the first rule.
func TestReadmeFirstScreen(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	screen, _, _ := strings.Cut(string(text), "\n---\n")
	var commands []string
	for line := range strings.Lines(block(t, "sh")) {
		command, _, _ := strings.Cut(line, "#")
		commands = append(commands, strings.TrimSpace(command))
	}
	if got := strings.Join(commands, ", "); got != "make demo, make test" || strings.Count(screen, "```") != 2 {
		t.Errorf("the first screen has %s, want make demo and make test alone", got)
	}
	if n := strings.Count(screen, "\n"); n > 24 {
		t.Errorf("the first screen has %d lines, want at most 24", n)
	}
}
