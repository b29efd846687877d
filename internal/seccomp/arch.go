package seccomp

import (
	"fmt"
	"runtime"
	"strings"
)

// Arch is a processor architecture as the kernel's seccomp sees it: a table of
// call numbers, a value of seccomp_data.arch and a register width.
type Arch uint8

// The architectures that profiles are written for. Every one of them is little
// endian. ARM is the EABI of 32-bit arm.
const (
	AMD64 Arch = iota + 1
	ARM64
	ARM
)

// Archs is every architecture that profiles are checked against.
var Archs = []Arch{AMD64, ARM64, ARM}

// Values of seccomp_data.arch, include/uapi/linux/audit.h.
const (
	auditAMD64 = 0xc000003e
	auditARM64 = 0xc00000b7
	auditARM   = 0x40000028
)

// x32Bit marks the calls of the x32 ABI, which share amd64's audit value
// (arch/x86/include/uapi/asm/unistd.h).
const x32Bit = 0x40000000

// Native is the architecture this program was built for. That is what counts,
// not what uname says: a 32-bit program on a 64-bit kernel makes calls of arm.
// It is 0 on an architecture that profiles do not know.
func Native() Arch {
	a, err := ParseArch(runtime.GOARCH)
	if err != nil {
		return 0
	}
	return a
}

// ParseArch reads Go's name of an architecture: amd64, arm64 or arm.
func ParseArch(name string) (Arch, error) {
	for _, a := range Archs {
		if a.String() == name {
			return a, nil
		}
	}
	return 0, fmt.Errorf("architecture %q: profiles know %s", name, archNames(Archs))
}

// String is Go's name of the architecture.
func (a Arch) String() string {
	switch a {
	case AMD64:
		return "amd64"
	case ARM64:
		return "arm64"
	case ARM:
		return "arm"
	}
	return fmt.Sprintf("arch(%d)", uint8(a))
}

// Audit is the architecture's value of seccomp_data.arch.
func (a Arch) Audit() uint32 {
	switch a {
	case AMD64:
		return auditAMD64
	case ARM64:
		return auditARM64
	case ARM:
		return auditARM
	}
	return 0
}

// wide reports whether a register holds 64 bits. On arm the kernel fills the
// high word of every argument in seccomp_data with zero.
func (a Arch) wide() bool { return a != ARM }

// archSet is a set of architectures.
type archSet uint8

const allArchs = archSet(1<<AMD64 | 1<<ARM64 | 1<<ARM)

func (s archSet) has(a Arch) bool { return s&(1<<a) != 0 }

func (s archSet) list() []Arch {
	var out []Arch
	for _, a := range Archs {
		if s.has(a) {
			out = append(out, a)
		}
	}
	return out
}

func archNames(archs []Arch) string {
	names := make([]string, len(archs))
	for i, a := range archs {
		names[i] = a.String()
	}
	return strings.Join(names, ", ")
}
