package main

import (
	"fmt"
	"io"
	"path"
)

// archive writes an initramfs: cpio in the format "newc" of the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst. All belongs to root.
type archive struct {
	w    io.Writer
	made map[string]bool // directories
	n    int             // entries, for their inode numbers
	err  error
}

const (
	modeDir  = 0o040755
	modeFile = 0o100755
)

func newArchive(w io.Writer) *archive {
	return &archive{w: w, made: map[string]bool{"/": true, ".": true}}
}

// file adds a file under an absolute name, and the directories that lead to it.
func (a *archive) file(name string, content []byte) {
	a.dir(path.Dir(name))
	a.entry(name, modeFile, content)
}

func (a *archive) dir(name string) {
	if a.made[name] {
		return
	}
	a.made[name] = true
	a.dir(path.Dir(name))
	a.entry(name, modeDir, nil)
}

// close ends the archive and gives the first error of all.
func (a *archive) close() error {
	a.entry("/TRAILER!!!", 0, nil)
	return a.err
}

func (a *archive) entry(name string, mode int, content []byte) {
	if a.err != nil {
		return
	}
	a.n++
	name = name[1:]
	if _, a.err = fmt.Fprintf(a.w, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.n, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0); a.err != nil {
		return
	}
	const header = 110
	text := append([]byte(name), make([]byte, 1+pad(header+len(name)+1))...)
	if _, a.err = a.w.Write(text); a.err == nil {
		_, a.err = a.w.Write(append(content[:len(content):len(content)], make([]byte, pad(len(content)))...))
	}
}

// pad is what is missing to a multiple of four.
func pad(n int) int { return -n & 3 }
