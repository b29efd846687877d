package archtest

import (
	"slices"
	"strings"
)

// publicBeneath is what the packages under pkg/ may be built on; pkg/worker may
// use the other two besides.
var publicBeneath = []string{"internal/sys", "internal/fd", "internal/fault", "internal/lane", "internal/reading"}

// publicModules are the modules that they may use.
var publicModules = []string{"golang.org/x/sys/unix"}

// publicImports keeps pkg/ usable by itself: a program that only passes
// descriptors must not drag the supervisor's configuration or logging in.
func publicImports(m *Module) ([]string, error) {
	var bad []string
	for _, f := range m.Files {
		if !strings.HasPrefix(f.Path, "pkg/") || f.Test() {
			continue
		}
		for _, i := range f.Imports {
			if !publicMayImport(f.Dir(), i.Path) {
				bad = append(bad, f.At(i)+"a package under pkg/ may not import "+i.Path)
			}
		}
	}
	return bad, nil
}

func publicMayImport(dir, imported string) bool {
	inside, ours := strings.CutPrefix(imported, ModulePath+"/")
	switch {
	case !ours:
		return standard(imported) || slices.Contains(publicModules, imported)
	case dir == "pkg/worker" && (inside == "pkg/scmrights" || inside == "pkg/sysvctl"):
		return true
	}
	return slices.Contains(publicBeneath, inside)
}

// standard packages have no dot in the first element of their path.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && first != ModulePath
}

// unsafeInSys keeps pointers in one place, where each call can be read beside
// its manual page. Tests are no exception.
func unsafeInSys(m *Module) ([]string, error) {
	return onlyIn(m, []string{"internal/sys"}, func(i Import) bool { return i.Path == "unsafe" })
}

// cgoInSCMP keeps C out of everything but the compilation of policies. The live
// tests beside it receive notices with the library, as a second opinion.
func cgoInSCMP(m *Module) ([]string, error) {
	code := &Module{Dir: m.Dir, Files: slices.DeleteFunc(slices.Clone(m.Files), func(f File) bool {
		return f.Test() && f.Dir() == "internal/seccomp/live"
	})}
	return onlyIn(code, []string{"internal/seccomp/scmp"}, func(i Import) bool {
		return i.Path == "C" || strings.HasPrefix(i.Path, "github.com/seccomp/")
	})
}

// actorsAndLogging: everyone else takes a function or a small interface.
func actorsAndLogging(m *Module) ([]string, error) {
	return onlyIn(m, []string{"cmd/supervisor", "internal/control"}, func(i Import) bool {
		return i.Path == "github.com/oklog/run" || i.Path == "github.com/hashicorp/go-hclog"
	})
}

func onlyIn(m *Module, dirs []string, concerned func(Import) bool) ([]string, error) {
	var bad []string
	for _, f := range m.Files {
		for _, i := range f.Imports {
			if concerned(i) && !slices.Contains(dirs, f.Dir()) {
				bad = append(bad, f.At(i)+i.Path+" may be imported only in "+strings.Join(dirs, " and "))
			}
		}
	}
	return bad, nil
}
