package install_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/install"
)

func TestCommandPaths(t *testing.T) {
	d := install.Dir("/opt/x")
	for name, want := range map[string]string{
		"sampler": "/opt/x/workers/sampler", "worker": "/opt/x/worker",
		"/usr/bin/true": "/usr/bin/true", "./odd": "./odd",
	} {
		if got := d.Command(name); got != want {
			t.Errorf("command %q is %s, want %s", name, got, want)
		}
	}
}

// TestFindIgnoresPath: a program on PATH is no candidate.
func TestFindIgnoresPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "supervisor"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got, err := install.Find(); strings.HasPrefix(string(got), dir) {
		t.Errorf("found %s (error %v)", got, err)
	}
}
