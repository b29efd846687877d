package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// supervisorCalls looks at the uses of two packages in our own code of the
// supervisor's closure:
//
//   - net: nothing that resolves a name. The resolver parses what a foreign
//     server sends, and would do so as root.
//   - pkg/scmrights: not Trusted, the waiver for programs that use the package
//     by itself. With it an unproved worker could be sent a descriptor.
func supervisorCalls(m *Module) ([]string, error) {
	packages, err := m.closure("", "1", "./cmd/supervisor")
	if err != nil {
		return nil, err
	}
	var bad []string
	for _, p := range packages {
		if p.Module == nil || p.Module.Path != ModulePath {
			continue
		}
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			found, err := forbiddenUses(m, filepath.Join(p.Dir, name))
			if err != nil {
				return nil, err
			}
			bad = append(bad, found...)
		}
	}
	return bad, nil
}

func forbiddenUses(m *Module, name string) ([]string, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, name, nil, 0)
	if err != nil {
		return nil, err
	}
	source := map[string]string{} // name in the file -> import path
	for _, spec := range tree.Imports {
		imported := strings.Trim(spec.Path.Value, "`\"")
		called := defaultName(imported)
		if spec.Name != nil {
			called = spec.Name.Name
		}
		source[called] = imported
	}
	rel, err := filepath.Rel(m.Dir, name)
	if err != nil {
		return nil, err
	}
	var bad []string
	ast.Inspect(tree, func(n ast.Node) bool {
		use, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if from, ok := use.X.(*ast.Ident); ok && forbiddenUse(source[from.Name], use.Sel.Name) {
			bad = append(bad, fmt.Sprintf("%s:%d: %s.%s may not be used in the supervisor", filepath.ToSlash(rel), files.Position(use.Pos()).Line, from.Name, use.Sel.Name))
		}
		return true
	})
	return bad, nil
}

func forbiddenUse(imported, name string) bool {
	switch imported {
	case "net":
		resolves := strings.HasPrefix(name, "Lookup") || strings.HasPrefix(name, "Resolve") && name != "ResolveUnixAddr"
		return resolves || name == "DefaultResolver"
	case ModulePath + "/pkg/scmrights":
		return name == "Trusted"
	}
	return false
}
