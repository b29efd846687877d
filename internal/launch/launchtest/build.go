package launchtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Built are the binaries, in a directory that the caller removes.
type Built struct {
	Dir, Stage, Victim string
}

// Build compiles both static, as `make build` does.
func Build() (Built, error) {
	dir, err := os.MkdirTemp("", "launchtest-")
	if err != nil {
		return Built{}, err
	}
	b := Built{dir, filepath.Join(dir, "worker"), filepath.Join(dir, "victim")}
	for path, pkg := range map[string]string{b.Stage: "sallyport/cmd/worker", b.Victim: "sallyport/internal/launch/launchtest/testdata/victim"} {
		cmd := exec.Command("go", "build", "-o", path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return b, fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
	}
	return b, nil
}
