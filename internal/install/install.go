package install

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const packaged = "/usr/lib/sallyport"

// Dir is the directory with the programs that belong together.
type Dir string

// Find gives the directory of the running executable if it holds `supervisor`,
// else the packaged one.
func Find() (Dir, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	for _, dir := range []string{filepath.Dir(self), packaged} {
		if _, err := os.Stat(filepath.Join(dir, "supervisor")); err == nil {
			return Dir(dir), nil
		}
	}
	return "", fmt.Errorf("no program `supervisor` in %s or %s; build it with make, or install the package", filepath.Dir(self), packaged)
}

// Supervisor is the privileged parent.
func (d Dir) Supervisor() string { return filepath.Join(string(d), "supervisor") }

// Worker is the program with the launch stage and the ready-made workers.
func (d Dir) Worker() string { return filepath.Join(string(d), "worker") }

// Command resolves the first word of a worker's command: a path stays as it is,
// `worker` is the sibling, and any other name is looked up in workers/ beside it.
func (d Dir) Command(name string) string {
	switch {
	case strings.Contains(name, "/"):
		return name
	case name == "worker":
		return d.Worker()
	}
	return filepath.Join(string(d), "workers", name)
}
