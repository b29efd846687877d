package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ModulePath is the module's name, and so the start of its import paths.
const ModulePath = "sallyport"

// A Module is the source of a tree as the rules see it.
type Module struct {
	Dir   string // where go.mod lies
	Files []File // every Go file, of all architectures and build tags
}

// A File is one Go file. Path and Dir are relative to the module, with slashes.
type File struct {
	Path      string
	Package   string // the name in its package clause
	Lines     int
	Generated bool // it says so in the line that the go command knows
	Imports   []Import
}

// An Import is one import of a file.
type Import struct {
	Path, Name string // Name as the file calls it
	Line       int
}

// Dir is the folder that holds the file.
func (f File) Dir() string { return path.Dir(f.Path) }

// Test says whether only tests see the file.
func (f File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// At is "path:line: ", the start of a complaint.
func (f File) At(i Import) string { return fmt.Sprintf("%s:%d: ", f.Path, i.Line) }

// Load reads the Go files beneath dir. Folders that the go command ignores, and
// modules of their own, are left out.
func Load(dir string) (*Module, error) {
	m := &Module{Dir: dir}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != dir && (skippedDir(d.Name()) || d.Name() == "testdata" || isModule(name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		f, err := readFile(dir, name)
		m.Files = append(m.Files, f)
		return err
	})
	return m, err
}

// Has says whether the module has Go files in the folder.
func (m *Module) Has(dir string) bool {
	return slices.ContainsFunc(m.Files, func(f File) bool { return f.Dir() == dir && !f.Test() })
}

func skippedDir(name string) bool {
	return name == "bin" || name == "build" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func readFile(dir, name string) (File, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return File{}, err
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, name, src, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return File{}, err
	}
	rel, err := filepath.Rel(dir, name)
	if err != nil {
		return File{}, err
	}
	f := File{
		Path:      filepath.ToSlash(rel),
		Package:   tree.Name.Name,
		Lines:     bytes.Count(src, []byte("\n")),
		Generated: ast.IsGenerated(tree),
	}
	for _, spec := range tree.Imports {
		imported := strings.Trim(spec.Path.Value, "`\"")
		i := Import{Path: imported, Name: defaultName(imported), Line: files.Position(spec.Pos()).Line}
		if spec.Name != nil {
			i.Name = spec.Name.Name
		}
		f.Imports = append(f.Imports, i)
	}
	return f, nil
}

// defaultName guesses a package's name from its path: the last element that is
// no version. It is right for every package that the rules ask about.
func defaultName(imported string) string {
	base := path.Base(imported)
	if strings.HasPrefix(base, "v") && strings.Trim(base[1:], "0123456789") == "" && len(base) > 1 {
		base = path.Base(path.Dir(imported))
	}
	return base
}
