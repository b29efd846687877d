package policy

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"sallyport/internal/seccomp"
)

// IsFile reports whether a profile is given by its file, a path with a slash in
// it, and not by its name.
func IsFile(profile string) bool { return strings.ContainsRune(profile, '/') }

// Source resolves a profile for seccomp.Parse: the name of a built-in one, or the
// path of a file, which finds the built-in groups, and beside it others of its
// own. A file cannot take the place of a built-in group. Files are read by read.
func Source(profile string, read func(path string) ([]byte, error)) (name string, files fs.FS) {
	if !IsFile(profile) {
		return profile, Files
	}
	name = strings.TrimSuffix(filepath.Base(profile), seccomp.Extension)
	return name, beside{own: name + seccomp.Extension, path: profile, read: read}
}

// beside is a file by its own name, then what is built in, then the files beside it.
type beside struct {
	own, path string
	read      func(path string) ([]byte, error)
}

func (b beside) Open(name string) (fs.File, error) {
	if name == b.own {
		return b.open(name, b.path)
	}
	f, err := Files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return b.open(name, filepath.Join(filepath.Dir(b.path), name))
	}
	return f, err
}

func (b beside) open(name, path string) (fs.File, error) {
	text, err := b.read(path)
	if err != nil {
		return nil, err
	}
	return seccomp.Texts{name: string(text)}.Open(name)
}

// Glob is that of fs.GlobFS, for suggestions: the built-in ones.
func (b beside) Glob(pattern string) ([]string, error) { return fs.Glob(Files, pattern) }
