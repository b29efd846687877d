package seccomp

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Texts are profiles in memory, by the names of their files. It is the least
// that Parse needs of a file system.
type Texts map[string]string

// Open is that of fs.FS.
func (t Texts) Open(name string) (fs.File, error) {
	text, ok := t[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &textFile{Reader: strings.NewReader(text), name: name}, nil
}

// Glob is that of fs.GlobFS, for suggestions.
func (t Texts) Glob(pattern string) ([]string, error) {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if ok, err := path.Match(pattern, name); err != nil || ok {
			out = append(out, name)
		}
	}
	return out, nil
}

type textFile struct {
	*strings.Reader
	name string
}

func (f *textFile) Stat() (fs.FileInfo, error) { return textInfo{f}, nil }
func (f *textFile) Close() error               { return nil }

type textInfo struct{ f *textFile }

func (i textInfo) Name() string       { return i.f.name }
func (i textInfo) Size() int64        { return i.f.Reader.Size() }
func (i textInfo) Mode() fs.FileMode  { return 0o444 }
func (i textInfo) ModTime() time.Time { return time.Time{} }
func (i textInfo) IsDir() bool        { return false }
func (i textInfo) Sys() any           { return nil }
