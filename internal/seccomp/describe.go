package seccomp

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Describe writes a call as a person would: its name, and its arguments with
// the constants that they are made of, such as
//
//	openat(AT_FDCWD, 0xc000012345, O_RDONLY|O_CLOEXEC)
//
// Addresses stay addresses: nothing is read from the caller's memory.
func Describe(a Arch, nr uint32, args [6]uint64) string {
	call := CallName(a, nr)
	sig, known := signatures[strings.TrimPrefix(call, "x32 ")]
	var words []string
	if !known {
		for _, v := range args {
			words = append(words, fmt.Sprintf("%#x", v))
		}
		return call + "(" + strings.Join(words, ", ") + ")"
	}
	for i, arg := range sig {
		if arg.kind == kindMode && i > 0 && sig[i-1].names == "O_" && args[i-1]&(oCreat|oTmpfile) == 0 {
			break // the kernel does not look at the mode of an open that creates nothing
		}
		words = append(words, arg.describe(a, args[i]))
	}
	return call + "(" + strings.Join(words, ", ") + ")"
}

const (
	oAccmode = 0x3
	oCreat   = 0x40
	oTmpfile = 0x400000
)

func (arg argument) describe(a Arch, v uint64) string {
	n := int64(v)
	if !a.wide() || !arg.kind.wide() && !arg.kind.opaque() {
		n, v = int64(int32(v)), uint64(uint32(v))
	}
	switch {
	case arg.names == "O_":
		return openFlags(a, v)
	case arg.names != "" && arg.bits:
		return flagWords(a, arg.names, v)
	case arg.names != "":
		if arg.kind == kindUint {
			n = int64(v)
		}
		if name := constantName(a, arg.names, uint64(n)); name != "" {
			return name
		}
		if arg.names == "PR_" || arg.names == "F_" || arg.names == "@requests" {
			return fmt.Sprintf("%#x", v)
		}
	}
	switch arg.kind {
	case kindDirFD:
		if n == atFDCWD {
			return "AT_FDCWD"
		}
	case kindSignal:
		for name, s := range signalTable {
			if int64(s) == n && name != "SIGIOT" && name != "SIGCLD" && name != "SIGPOLL" {
				return name
			}
		}
	case kindMode:
		return fmt.Sprintf("0o%o", v)
	case kindPointer, kindUint, kindFlagLong:
		if arg.kind == kindPointer && v == 0 {
			return "NULL"
		}
		return fmt.Sprintf("%#x", v)
	case kindSize:
		return strconv.FormatUint(v, 10)
	}
	return strconv.FormatInt(n, 10)
}

const atFDCWD = -100

// openFlags always names the access mode, whose O_RDONLY is no bit.
func openFlags(a Arch, v uint64) string {
	access := [...]string{"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"}[v&oAccmode]
	if rest := v &^ oAccmode; rest != 0 {
		return access + "|" + flagWords(a, "O_", rest)
	}
	return access
}

// flagWords writes a word as the constants of one prefix, wide ones first, and
// what no constant covers in hexadecimal.
func flagWords(a Arch, prefix string, v uint64) string {
	if v == 0 {
		if name := constantName(a, prefix, 0); name != "" && prefix == "PROT_" {
			return name
		}
		return "0"
	}
	type flag struct {
		name  string
		value uint64
	}
	var flags []flag
	for _, name := range prefixed(prefix) {
		if c, ok := Constant(a, name); ok && c != 0 && c&v == c {
			flags = append(flags, flag{name, c})
		}
	}
	slices.SortFunc(flags, func(x, y flag) int {
		if bx, by := bits.OnesCount64(x.value), bits.OnesCount64(y.value); bx != by {
			return by - bx
		}
		if x.value != y.value {
			return int(int64(x.value) - int64(y.value))
		}
		return preferred(x.name, y.name)
	})
	var words []string
	for _, f := range flags {
		if v&f.value == f.value {
			words = append(words, f.name)
			v &^= f.value
		}
	}
	if v != 0 {
		words = append(words, fmt.Sprintf("%#x", v))
	}
	return strings.Join(words, "|")
}

// constantName is the constant of that prefix and value; of several the one
// with the shortest name.
func constantName(a Arch, prefix string, v uint64) string {
	best := ""
	for _, name := range prefixed(prefix) {
		if c, ok := Constant(a, name); ok && c == v && (best == "" || preferred(name, best) < 0) {
			best = name
		}
	}
	return best
}

// preferred orders names for one value: the shorter, then the first.
func preferred(x, y string) int {
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return strings.Compare(x, y)
}

// mixed are prefixes of several families of numbers: only those that belong.
var mixed = map[string]func(string) bool{
	"PR_": func(s string) bool { return strings.HasPrefix(s, "PR_SET_") || strings.HasPrefix(s, "PR_GET_") },
	"F_": func(s string) bool {
		return strings.HasPrefix(s, "F_GET") || strings.HasPrefix(s, "F_SET") || strings.HasPrefix(s, "F_DUPFD") || s == "F_ADD_SEALS" || s == "F_NOTIFY"
	},
	"CLONE_": func(s string) bool { return s != "CLONE_NEWTIME" && !strings.HasPrefix(s, "CLONE_ARGS") },
	"MAP_":   func(s string) bool { return !strings.HasPrefix(s, "MAP_HUGE_") && s != "MAP_TYPE" && s != "MAP_ANON" },
	"SOCK_":  func(s string) bool { return !strings.HasPrefix(s, "SOCK_DIAG") && s != "SOCK_TYPE_MASK" },
}

func prefixed(prefix string) []string {
	if prefix == "@msgflags" {
		return []string{"IPC_NOWAIT", "MSG_NOERROR", "MSG_EXCEPT", "MSG_COPY"}
	}
	var out []string
	for _, name := range constantNames() {
		if prefix == "@requests" && isRequest(name) {
			out = append(out, name)
		}
		if strings.HasPrefix(name, prefix) && (mixed[prefix] == nil || mixed[prefix](name)) {
			out = append(out, name)
		}
	}
	return out
}

// isRequest reports whether a constant is a request of ioctl, as far as profiles
// know any.
func isRequest(name string) bool {
	for _, prefix := range []string{"I2C_", "SPI_IOC_", "TCGETS", "TCSETS", "TCSBRK", "TCFLSH", "TIOC", "FIO"} {
		if strings.HasPrefix(name, prefix) {
			return !strings.HasPrefix(name, "TIOCM_") && !strings.HasPrefix(name, "TIOCPKT_")
		}
	}
	return strings.HasSuffix(name, "_IOCTL")
}
