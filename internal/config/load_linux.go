package config

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Load reads and parses the file at path. The file and the directory that holds
// it must belong to root, to the effective user of this process or to one of
// alsoOwner, and be writable by nobody else. The error is Problems for a file
// that is refused or wrong, and wraps the errno when it cannot be read at all.
func Load(path string, alsoOwner ...uint32) (*Config, error) {
	return Rules{Owners: alsoOwner}.Load(path)
}

// Load is the function Load with rules.
func (rules Rules) Load(path string) (*Config, error) {
	dir, fd, err := openIn(path, unix.O_RDONLY)
	if errors.Is(err, unix.ELOOP) {
		return nil, refusal(path, "the file is a symbolic link", "what it points to can change between two looks", "name the file itself")
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer unix.Close(dir)
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, os.NewSyscallError("fstat", err))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, refusal(path, "this is not a file", "", "name a file")
	}
	o := allowed(rules.Owners)
	var problems Problems
	if wrong, fix := o.judge("the file", path, &st); wrong != "" {
		problems = append(problems, refusal(path, wrong, whyOwner, fix)...)
	}
	wrong, fix, err := o.judgeDir(dir, path)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	if wrong != "" {
		problems = append(problems, refusal(path, wrong, whyOwner, fix)...)
	}
	if problems != nil {
		return nil, problems
	}
	src, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(src) > maxFile && st.Size > int64(len(src)) {
		return nil, tooLarge(path, st.Size)
	}
	return rules.Parse(path, src)
}

func refusal(path, what, why, fix string) Problems {
	return Problems{{Pos: Pos{File: path}, What: what, Why: why, Fix: fix}}
}
