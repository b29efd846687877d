package archtest

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// publicSignatures: what pkg/ exports names no type of internal/, which its
// users could neither write down nor make.
func publicSignatures(m *Module) ([]string, error) {
	packages, err := m.closure(runtime.GOARCH, "0", "-export", "./pkg/...")
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	var bad []string
	for _, p := range packages {
		if !strings.HasPrefix(p.ImportPath, ModulePath+"/pkg/") {
			continue
		}
		files := token.NewFileSet()
		checked, err := check(files, p, exports)
		if err != nil {
			return nil, err
		}
		w := walker{pkg: checked, seen: map[types.Type]bool{}}
		for _, name := range checked.Scope().Names() {
			if object := checked.Scope().Lookup(name); object.Exported() {
				w.object(object)
			}
		}
		for _, b := range w.bad {
			at := files.Position(b.pos)
			rel, err := filepath.Rel(m.Dir, at.Filename)
			if err != nil {
				return nil, err
			}
			bad = append(bad, fmt.Sprintf("%s:%d: exported %s names %s", filepath.ToSlash(rel), at.Line, b.name, b.internal))
		}
	}
	return bad, nil
}

// check type-checks one package from its source; what it imports comes from the
// compiler's export data.
func check(files *token.FileSet, p Package, exports map[string]string) (*types.Package, error) {
	var trees []*ast.File
	for _, name := range p.GoFiles {
		tree, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, 0)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(files, "gc", open)}
	return config.Check(p.ImportPath, files, trees, nil)
}

// walker goes from an exported object to every type that its users can see.
type walker struct {
	pkg  *types.Package
	seen map[types.Type]bool
	from types.Object // what is walked now
	bad  []breach
}

type breach struct {
	pos            token.Pos
	name, internal string
}

func (w *walker) object(o types.Object) {
	w.from = o
	w.visit(o.Type())
}

func (w *walker) visit(t types.Type) {
	if w.seen[t] {
		return
	}
	switch t := t.(type) {
	case *types.Alias:
		w.named(t.Obj())
		w.visit(types.Unalias(t))
	case *types.Named:
		w.named(t.Obj())
		for a := range t.TypeArgs().Types() {
			w.visit(a)
		}
		if t.Obj().Pkg() != w.pkg {
			return
		}
		w.seen[t] = true
		w.members(t)
	case *types.Pointer:
		w.visit(t.Elem())
	case *types.Slice:
		w.visit(t.Elem())
	case *types.Array:
		w.visit(t.Elem())
	case *types.Chan:
		w.visit(t.Elem())
	case *types.Map:
		w.visit(t.Key())
		w.visit(t.Elem())
	case *types.Signature:
		w.visit(t.Params())
		w.visit(t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			w.visit(v.Type())
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				w.visit(f.Type())
			}
		}
	case *types.Interface:
		for f := range t.Methods() {
			w.visit(f.Type())
		}
	}
}

// members are the methods and the underlying type of a type of the package.
func (w *walker) members(t *types.Named) {
	outer := w.from
	for f := range t.Methods() {
		if f.Exported() {
			w.from = f
			w.visit(f.Type())
		}
	}
	w.from = outer
	w.visit(t.Underlying())
}

func (w *walker) named(o *types.TypeName) {
	if o.Pkg() != nil && strings.HasPrefix(o.Pkg().Path(), ModulePath+"/internal/") {
		w.bad = append(w.bad, breach{w.from.Pos(), w.from.Name(), o.Pkg().Path() + "." + o.Name()})
	}
}
