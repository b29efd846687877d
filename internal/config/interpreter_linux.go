package config

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Interpreter is the ELF interpreter that a program names, the loader of its
// shared objects; "" is for a static one. It reads the file's header, at most
// maxSegments program headers, and the name.
func Interpreter(file *os.File) (string, error) {
	const maxSegments, loader, maxName = 128, 3, 256 // PT_INTERP, elf(5)
	var head [64]byte
	if n, _ := file.ReadAt(head[:], 0); n < len(head) {
		return "", fmt.Errorf("%s: no ELF header", file.Name())
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[5] == 2 {
		order = binary.BigEndian
	}
	wide := head[4] == 2
	at, size, count := int64(order.Uint32(head[28:])), int64(order.Uint16(head[42:])), int(order.Uint16(head[44:]))
	if wide {
		at, size, count = int64(order.Uint64(head[32:])), int64(order.Uint16(head[54:])), int(order.Uint16(head[56:]))
	}
	for i := range min(count, maxSegments) {
		var segment [56]byte
		if n, _ := file.ReadAt(segment[:], at+int64(i)*size); n < 32 {
			return "", fmt.Errorf("%s: program header %d is not there", file.Name(), i)
		}
		if order.Uint32(segment[:]) != loader {
			continue
		}
		from, length := int64(order.Uint32(segment[4:])), int64(order.Uint32(segment[16:]))
		if wide {
			from, length = int64(order.Uint64(segment[8:])), int64(order.Uint64(segment[32:]))
		}
		if length < 2 || length > maxName {
			return "", fmt.Errorf("%s: the name of its ELF interpreter has %d bytes", file.Name(), length)
		}
		name := make([]byte, length-1) // without the zero byte at its end
		if _, err := file.ReadAt(name, from); err != nil {
			return "", fmt.Errorf("%s: the name of its ELF interpreter: %w", file.Name(), err)
		}
		return string(name), nil
	}
	return "", nil
}

// uncovered are the directories that a root with these entries would have to show
// for the interpreter to be found, and does not: that of its name, and that of the
// file which a symbolic link there leads to.
func uncovered(interpreter string, entries []word) []string {
	beneath := func(p string, resolve bool) bool {
		for _, e := range entries {
			entry := filepath.Clean(e.text)
			if real, err := filepath.EvalSymlinks(entry); resolve && err == nil {
				entry = real
			}
			if p == entry || strings.HasPrefix(p, strings.TrimSuffix(entry, "/")+"/") {
				return true
			}
		}
		return false
	}
	var missing []string
	if !beneath(interpreter, false) {
		missing = append(missing, filepath.Dir(interpreter))
	}
	if real, err := filepath.EvalSymlinks(interpreter); err == nil && !beneath(real, true) && filepath.Dir(real) != filepath.Dir(interpreter) {
		missing = append(missing, filepath.Dir(real))
	}
	return missing
}
