package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// A Package is what the go command says about one package of a closure.
type Package struct {
	ImportPath string
	Dir        string
	Standard   bool
	Export     string // file with the compiler's export data
	GoFiles    []string
	CgoFiles   []string
	Imports    []string
	Module     *struct{ Path string }
}

// closure lists what the packages and all that they import are, for one
// architecture, with or without cgo. Packages come after their imports.
func (m *Module) closure(arch, cgo string, args ...string) ([]Package, error) {
	args = append([]string{"list", "-deps", "-json=ImportPath,Dir,Standard,Export,GoFiles,CgoFiles,Imports,Module"}, args...)
	cmd := exec.Command("go", args...)
	cmd.Dir = m.Dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED="+cgo, "GOFLAGS=", "GOWORK=off")
	if arch != "" {
		cmd.Env = append(cmd.Env, "GOARCH="+arch)
	}
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	var packages []Package
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		switch err := decoder.Decode(&p); {
		case err == io.EOF:
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("output of go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// importedBy names one package of the closure that imports the given one: the
// first step to see how it came in.
func importedBy(packages []Package, imported string) string {
	for _, p := range packages {
		for _, i := range p.Imports {
			if i == imported {
				return p.ImportPath
			}
		}
	}
	return "the command itself"
}
