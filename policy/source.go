package policy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const extension = ".policy"

// IsFile reports whether a profile is given by its file and not by its name.
func IsFile(profile string) bool {
	return strings.ContainsRune(profile, '/') || strings.HasSuffix(profile, extension)
}

// Source resolves a profile: the name of a built-in one, or the path of a file,
// which finds the built-in groups, and beside it others of its own. A file
// cannot take the place of a built-in group.
func Source(profile string) (name string, files fs.FS) {
	if !IsFile(profile) {
		return profile, Files
	}
	dir, file := filepath.Split(profile)
	if dir == "" {
		dir = "."
	}
	name = strings.TrimSuffix(file, extension)
	return name, beside{own: name + extension, dir: os.DirFS(dir), file: file}
}

// beside is a file by its own name, then what is built in, then the files beside it.
type beside struct {
	own, file string
	dir       fs.FS
}

func (b beside) Open(name string) (fs.File, error) {
	if name == b.own {
		return b.dir.Open(b.file)
	}
	f, err := Files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return b.dir.Open(name)
	}
	return f, err
}
