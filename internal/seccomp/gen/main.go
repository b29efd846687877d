// Command gen writes zcalls.go and zconstants.go: the names and numbers of
// system calls and the named constants of profiles, for each architecture,
// taken from the generated tables of golang.org/x/sys/unix.
//
// It is run by `go generate` in internal/seccomp; the result is committed, and
// a test compares the numbers of the native architecture with x/sys/unix.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/format"
	"go/parser"
	"go/token"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var archs = []string{"amd64", "arm64", "arm"}

// wanted says which constants a profile can name: those of arguments that a
// filter can look at.
var wanted = regexp.MustCompile(`^((AF|AT|CLOCK|CLONE|EFD|EPOLL|F|FD|GRND|IPC|MADV|MAP|MCL|MFD|MREMAP|MSG|MS|O|POLL|PR|PROT|RLIMIT|RWF|SHUT|SO|SOCK|SOL|SPLICE_F|TCP|TFD)_[A-Z0-9_]+|GPIO_V2_[A-Z_]+_IOCTL|GPIO_[A-Z_]+_IOCTL|(TC|TIOC|FIO)[A-Z0-9]+|EPOLL[A-Z]+|POLL[A-Z]+)$`)

// private are the calls of arm above its table, arch/arm/include/uapi/asm/unistd.h.
var private = map[string]uint64{"breakpoint": 0xf0001, "cacheflush": 0xf0002, "usr26": 0xf0003, "usr32": 0xf0004, "set_tls": 0xf0005, "get_tls": 0xf0006}

// aliases are entries of the tables that are no calls.
var aliases = []string{"syscall_mask", "oabi_syscall_base", "arm_nr_base"}

func main() {
	log.SetFlags(0)
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "golang.org/x/sys/unix").Output()
	if err != nil {
		log.Fatal("finding golang.org/x/sys/unix: ", err)
	}
	unixDir := strings.TrimSpace(string(dir))
	write("zcalls.go", calls(unixDir))
	write("zconstants.go", constants(unixDir))
}

func calls(dir string) []byte {
	var b bytes.Buffer
	header(&b)
	b.WriteString("var callTable = map[Arch]map[string]uint32{\n")
	for _, arch := range archs {
		found := consts(filepath.Join(dir, "zsysnum_linux_"+arch+".go"))
		table := make(map[string]uint64)
		for name, v := range found {
			table[strings.ToLower(strings.TrimPrefix(name, "SYS_"))] = v
		}
		for _, name := range aliases {
			delete(table, name)
		}
		if arch == "arm" {
			maps.Copy(table, private)
		}
		fmt.Fprintf(&b, "%s: {\n", strings.ToUpper(arch))
		names := slices.SortedFunc(maps.Keys(table), func(x, y string) int {
			if table[x] != table[y] {
				return int(table[x]) - int(table[y])
			}
			return strings.Compare(x, y)
		})
		for _, name := range names {
			fmt.Fprintf(&b, "%q: %d,\n", name, table[name])
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func constants(dir string) []byte {
	common := consts(filepath.Join(dir, "zerrors_linux.go"), filepath.Join(dir, "ztypes_linux.go"))
	byArch := make(map[string]map[string]uint64)
	for _, arch := range archs {
		all := maps.Clone(common)
		maps.Copy(all, consts(filepath.Join(dir, "zerrors_linux_"+arch+".go"), filepath.Join(dir, "ztypes_linux_"+arch+".go")))
		byArch[arch] = all
	}
	names := make(map[string]bool)
	for _, all := range byArch {
		for name := range all {
			if wanted.MatchString(name) {
				names[name] = true
			}
		}
	}
	var b, errnos bytes.Buffer
	header(&b)
	b.WriteString("// constantTable holds a value for each of amd64, arm64 and arm; -1 where an\n// architecture has none.\n")
	b.WriteString("var constantTable = map[string][3]int64{\n")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&b, "%q: {%s},\n", name, values(byArch, name))
	}
	b.WriteString("}\n\n// errnoTable: the three architectures agree on every errno.\nvar errnoTable = map[string]uint16{\n")
	signals := make(map[string]uint64)
	for _, name := range slices.Sorted(maps.Keys(byArch["amd64"])) {
		v := byArch["amd64"][name]
		switch {
		case regexp.MustCompile(`^E[A-Z0-9]+$`).MatchString(name) && !strings.HasPrefix(name, "EPOLL") && v > 0 && v < 200:
			if v != byArch["arm"][name] || v != byArch["arm64"][name] {
				log.Fatalf("%s differs between architectures", name)
			}
			fmt.Fprintf(&errnos, "%q: %d,\n", name, v)
		case regexp.MustCompile(`^SIG[A-Z0-9]+$`).MatchString(name):
			signals[name] = v
		}
	}
	b.Write(errnos.Bytes())
	b.WriteString("}\n\n// signalTable: the three architectures agree on every signal.\nvar signalTable = map[string]uint8{\n")
	for _, name := range slices.Sorted(maps.Keys(signals)) {
		fmt.Fprintf(&b, "%q: %d,\n", name, signals[name])
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func values(byArch map[string]map[string]uint64, name string) string {
	var out []string
	for _, arch := range archs {
		if v, ok := byArch[arch][name]; ok {
			out = append(out, fmt.Sprintf("%#x", v))
		} else {
			out = append(out, "-1")
		}
	}
	return strings.Join(out, ", ")
}

// consts reads the constants of the files whose value is a number that fits
// 32 bits, also those written as syscall.Errno(0x1) and syscall.Signal(0x1).
func consts(files ...string) map[string]uint64 {
	out := make(map[string]uint64)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			log.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				value := spec.(*ast.ValueSpec)
				for i, name := range value.Names {
					if i < len(value.Values) {
						if v, ok := number(value.Values[i]); ok {
							out[name.Name] = v
						}
					}
				}
			}
		}
	}
	return out
}

func number(e ast.Expr) (uint64, bool) {
	switch e := e.(type) {
	case *ast.CallExpr:
		if len(e.Args) == 1 {
			return number(e.Args[0])
		}
	case *ast.UnaryExpr:
		if v, ok := number(e.X); ok && e.Op == token.SUB {
			return uint64(uint32(-int64(v))), true
		}
	case *ast.BasicLit:
		if e.Kind == token.INT {
			v, exact := constant.Uint64Val(constant.MakeFromLiteral(e.Value, e.Kind, 0))
			return v, exact && v < 1<<32
		}
	}
	return 0, false
}

func header(b *bytes.Buffer) {
	b.WriteString("// Code generated by go run ./gen; DO NOT EDIT.\n\npackage seccomp\n\n")
}

func write(file string, src []byte) {
	out, err := format.Source(src)
	if err != nil {
		log.Fatal(file, ": ", err)
	}
	if err := os.WriteFile(file, out, 0o644); err != nil {
		log.Fatal(err)
	}
}
