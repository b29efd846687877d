package config

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Text reads a file that decides about workers as the configuration does, such as
// a profile: it and its directory must belong to root, to the effective user or
// to one of alsoOwner, and be writable by nobody else; symbolic links are not
// followed. It has at most 256 KiB. The error is Problems for one that is refused.
func Text(path string, alsoOwner ...uint32) ([]byte, error) {
	dir, fd, err := openIn(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("%s: %w", path, os.NewSyscallError("fstat", err))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, refusal(path, "this is not a file", "", "name a file")
	}
	o := allowed(alsoOwner)
	if wrong, fix := o.judge("the file", path, &st); wrong != "" {
		return nil, refusal(path, wrong, whyOwner, fix)
	}
	if wrong, fix, err := o.judgeDir(dir, path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	} else if wrong != "" {
		return nil, refusal(path, wrong, whyOwner, fix)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, tooLarge(path, st.Size)
	}
	return text, nil
}
