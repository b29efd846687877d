package archtest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The longest file: more is a second idea. Generated tables are no text.
const (
	maxLines     = 400
	maxTestLines = 600
)

var vague = []string{"util", "utils", "common", "helpers", "helper", "types", "misc"}

func vagueNames(m *Module) ([]string, error) {
	var bad []string
	for _, f := range m.Files {
		if slices.Contains(vague, strings.TrimSuffix(f.Package, "_test")) || slices.Contains(vague, path.Base(f.Dir())) {
			bad = append(bad, fmt.Sprintf("%s: package %s: the name says nothing", f.Path, f.Package))
		}
	}
	return bad, nil
}

func fileLengths(m *Module) ([]string, error) {
	var bad []string
	for _, f := range m.Files {
		limit := maxLines
		if f.Test() {
			limit = maxTestLines
		}
		if f.Lines > limit && !f.Generated {
			bad = append(bad, fmt.Sprintf("%s: %d lines, the limit is %d", f.Path, f.Lines, limit))
		}
	}
	return bad, nil
}

// docFiles: a package says in doc.go what it is; a command in any of its files.
func docFiles(m *Module) ([]string, error) {
	packages := map[string]bool{} // folder -> has doc.go
	for _, f := range m.Files {
		if f.Package != "main" && !f.Test() {
			packages[f.Dir()] = packages[f.Dir()] || path.Base(f.Path) == "doc.go"
		}
	}
	var bad []string
	for dir, documented := range packages {
		if !documented {
			bad = append(bad, dir+": no doc.go")
		}
	}
	return bad, nil
}

// layoutDocument: docs/layout.md has a line for every folder with Go code.
func layoutDocument(m *Module) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(m.Dir, "docs", "layout.md"))
	if err != nil {
		return nil, err
	}
	folders := map[string]bool{}
	for _, f := range m.Files {
		folders[f.Dir()] = true
	}
	var bad []string
	for dir := range folders {
		if !bytes.Contains(text, []byte("`"+dir+"/`")) {
			bad = append(bad, "docs/layout.md: no line about "+dir+"/")
		}
	}
	return bad, nil
}

// Foreign are words that have no place in the tree: the project stands alone,
// and names neither the place it was written at nor the registries that a
// machine happens to use. (They are put together here so as not to name them.)
var Foreign = []string{
	".." + "/shared", "." + "library", "farm" + "-", "/work" + "/main", "/work" + "/wt", "/work" + "/shared",
	"proxy." + "golang.org", "sum." + "golang.org", "deb." + "debian.org", "pypi" + ".org", "registry." + "npmjs",
}

func foreignWords(m *Module) ([]string, error) {
	var bad []string
	err := filepath.WalkDir(m.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != m.Dir && skippedDir(d.Name()) && d.Name() != ".ci" {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || d.Name() == ".git" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		for n, line := range bytes.Split(text, []byte("\n")) {
			for _, word := range Foreign {
				if bytes.Contains(line, []byte(word)) {
					bad = append(bad, fmt.Sprintf("%s:%d: %q has no place here", strings.TrimPrefix(name, m.Dir+"/"), n+1, word))
				}
			}
		}
		return nil
	})
	return bad, err
}
