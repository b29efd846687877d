package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// workerSide is what runs without privileges, or is linked into what does.
var workerSide = []string{
	"./cmd/worker", "./pkg/...", "./internal/lane", "./internal/reading", "./internal/fd", "./internal/sys", "./internal/fault",
}

// workerModules are the modules that may be linked into it.
var workerModules = []string{ModulePath, "golang.org/x/sys"}

// supervisorModules are the modules that may be linked into the privileged
// parent: those that the design names, and what these need themselves.
var supervisorModules = []string{
	ModulePath, "golang.org/x/sys",
	"github.com/oklog/run",
	"github.com/cenkalti/backoff/v5",
	"github.com/seccomp/libseccomp-golang",
	"github.com/warthog618/go-gpiocdev", // its uapi alone, see below
	"golang.org/x/net",                  // bpf, the interpreter that filters are verified in
	"github.com/hashicorp/go-hclog", "github.com/fatih/color", "github.com/mattn/go-colorable", "github.com/mattn/go-isatty",
	"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty", "github.com/agext/levenshtein", "github.com/mitchellh/go-wordwrap",
	"github.com/apparentlymart/go-textseg/v15", "github.com/apparentlymart/go-textseg/v17", "golang.org/x/text",
}

// supervisorPackages are forbidden in its closure whatever module they are of:
// starting programs by name, network protocols, and decoders it has no use for.
var supervisorPackages = []string{
	"os/exec", "net/http", "crypto/tls", "plugin", "testing",
	"github.com/hashicorp/hcl/v2/gohcl", "github.com/hashicorp/hcl/v2/hclwrite",
	"github.com/coreos/go-systemd/v22/activation",
	"github.com/warthog618/go-gpiocdev",
}

// workerPackages are forbidden there. crypto/rand brings a generator with 32 MiB
// of zeroed memory, and a worker's memory limit counts them.
var workerPackages = []string{"crypto/rand"}

// workerClosure: no C library and no foreign module on the unprivileged side,
// on any of the architectures that it is built for.
func workerClosure(m *Module) ([]string, error) {
	var present []string
	for _, p := range workerSide {
		if p == "./pkg/..." || m.Has(strings.TrimPrefix(p, "./")) {
			present = append(present, p)
		}
	}
	var bad []string
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		packages, err := m.closure(arch, "0", present...)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			if p.ImportPath == "runtime/cgo" || len(p.CgoFiles) > 0 || !allowedModule(p, workerModules) || slices.Contains(workerPackages, p.ImportPath) {
				bad = append(bad, fmt.Sprintf("%s: the worker side may not contain %s (imported by %s)", arch, p.ImportPath, importedBy(packages, p.ImportPath)))
			}
		}
	}
	return bad, nil
}

// supervisorClosure compares what is linked into the privileged parent with the
// list of what may be: every line more is code that runs as root.
func supervisorClosure(m *Module) ([]string, error) {
	packages, err := m.closure("", "1", "./cmd/supervisor")
	if err != nil {
		return nil, err
	}
	var bad []string
	for _, p := range packages {
		if slices.Contains(supervisorPackages, p.ImportPath) || !allowedModule(p, supervisorModules) {
			bad = append(bad, fmt.Sprintf("cmd/supervisor may not contain %s (imported by %s)", p.ImportPath, importedBy(packages, p.ImportPath)))
		}
	}
	return bad, nil
}

func allowedModule(p Package, modules []string) bool {
	return p.Standard || p.Module != nil && slices.Contains(modules, p.Module.Path)
}
