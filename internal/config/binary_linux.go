package config

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// maxLinks bounds the symbolic links that lead to an executable.
const maxLinks = 8

// Binary opens a worker's executable for reading. It must be an ELF file for this
// machine, and it, its directory, and every symbolic link's directory on the way
// must belong to root, to the effective user of this process or to one of
// alsoOwner, and be writable by nobody else. The caller owns the file; to execute
// exactly what was judged, it executes the descriptor, not the path. The error is
// Problems for a file that is refused.
func Binary(path string, alsoOwner ...uint32) (*os.File, error) {
	return openBinary(path, path, allowed(alsoOwner), maxLinks)
}

func openBinary(asked, path string, o owners, links int) (*os.File, error) {
	dir, fd, err := openIn(path, unix.O_PATH)
	if err != nil {
		return nil, fmt.Errorf("worker program: %w", err)
	}
	defer unix.Close(dir)
	defer unix.Close(fd)
	if wrong, fix, err := o.judgeDir(dir, path); err != nil {
		return nil, err
	} else if wrong != "" {
		return nil, refusal(asked, wrong, whyOwner, fix)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("worker program %s: %w", path, os.NewSyscallError("fstat", err))
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		to := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", to)
		if err != nil {
			return nil, fmt.Errorf("worker program %s: %w", path, os.NewSyscallError("readlinkat", err))
		}
		target := string(to[:n])
		if !filepath.IsAbs(target) {
			target = filepath.Dir(path) + "/" + target // not Join: it would fold a ".." that follows a link
		}
		if links == 0 {
			return nil, refusal(asked, fmt.Sprintf("more than %d symbolic links lead to it", maxLinks), "", "name the file itself")
		}
		return openBinary(asked, target, o, links-1)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, refusal(asked, "this is not a file", "", "name an executable file")
	}
	if wrong, fix := o.judge("the program", path, &st); wrong != "" {
		return nil, refusal(asked, wrong, whyOwner, fix)
	}
	if st.Mode&0o111 == 0 {
		return nil, refusal(asked, "the program is not executable", "", fmt.Sprintf("chmod +x %q", path))
	}
	// The judged object itself, not whatever has its name by now.
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, fmt.Errorf("worker program %s: %w", path, errors.Unwrap(err))
	}
	if p := judgeELF(asked, file); p != nil {
		_ = file.Close()
		return nil, p
	}
	return file, nil
}

// machines are the e_machine numbers of elf(5) for the systems this is built for.
var machines = map[string]uint16{"amd64": 62, "arm64": 183, "arm": 40, "386": 3, "riscv64": 243, "s390x": 22, "ppc64le": 21}

// judgeELF looks at the first 20 bytes, which is all that is parsed of a worker's
// program.
func judgeELF(path string, file *os.File) error {
	var head [20]byte
	n, _ := file.ReadAt(head[:], 0)
	switch {
	case bytes.HasPrefix(head[:n], []byte("#!")):
		return refusal(path, "the program is a script", "the kernel would start its interpreter, which is another program", "name the interpreter first and the script as its argument")
	case n < len(head) || !bytes.HasPrefix(head[:], []byte("\x7fELF")):
		return refusal(path, "the program is not an ELF file", "a worker is executed by descriptor, and only the kernel's own format is", "build it for this system")
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[5] == 2 {
		order = binary.BigEndian
	}
	if kind := order.Uint16(head[16:]); kind != 2 && kind != 3 {
		return refusal(path, "the program is an ELF file of another kind, not an executable", "", "name the program, not an object or a core file")
	}
	if m, want := order.Uint16(head[18:]), machines[runtime.GOARCH]; m != want {
		return refusal(path, fmt.Sprintf("the program is made for another machine (ELF machine %d, here %d)", m, want), "its policy is compiled for this one", "build it for "+runtime.GOARCH)
	}
	return nil
}
