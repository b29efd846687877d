package seccomp

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
)

// Program is a compiled filter. BPF is an array of struct sock_filter in the
// layout of its architecture (all of them little endian), as seccomp(2) takes
// it; Hash is its SHA-256.
type Program struct {
	Arch    Arch
	BPF     []byte
	Hash    [32]byte
	Profile string
}

// NewProgram wraps the bytes that a compiler produced. It takes them.
func NewProgram(a Arch, profile string, code []byte) *Program {
	return &Program{Arch: a, BPF: code, Hash: sha256.Sum256(code), Profile: profile}
}

// maxInstructions is BPF_MAXINSNS, include/uapi/linux/bpf_common.h.
const maxInstructions = 4096

// Operations of classic BPF that a compiled filter may use; anything else is
// refused, as nothing here has been shown to understand it.
const (
	opLoad      = 0x20 // A = word at K of seccomp_data
	opAnd       = 0x54 // A &= K
	opJump      = 0x05
	opEqual     = 0x15
	opGreater   = 0x25
	opAtLeast   = 0x35
	opAnyBit    = 0x45
	opReturn    = 0x06
	dataSize    = 64 // sizeof(struct seccomp_data)
	wordNr      = 0  // words of seccomp_data, by offset/4
	wordArch    = 1
	wordArgs    = 4 // low word of argument i at 4+2i, high word behind it
	wordsOfData = dataSize / 4
)

// instructions decodes the program and checks the form of every instruction:
// what the kernel's own checker would refuse, and loads of anything but the
// call's number, architecture and arguments.
func (p *Program) instructions() ([]bpf.RawInstruction, error) {
	n := len(p.BPF) / 8
	if n == 0 || len(p.BPF)%8 != 0 || n > maxInstructions {
		return nil, fmt.Errorf("program of %d bytes: want 1 to %d instructions of 8", len(p.BPF), maxInstructions)
	}
	code := make([]bpf.RawInstruction, n)
	for i := range code {
		b := p.BPF[8*i:]
		in := bpf.RawInstruction{Op: binary.LittleEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.LittleEndian.Uint32(b[4:])}
		if err := wellFormed(in, i, n); err != nil {
			return nil, fmt.Errorf("instruction %d: %w", i, err)
		}
		code[i] = in
	}
	if code[n-1].Op != opReturn {
		return nil, errors.New("the last instruction is no return")
	}
	return code, nil
}

func wellFormed(in bpf.RawInstruction, at, n int) error {
	switch in.Op {
	case opLoad:
		if word := in.K / 4; in.K%4 != 0 || word >= wordsOfData || word == 2 || word == 3 {
			return fmt.Errorf("load at offset %d: neither number, architecture nor argument", in.K)
		}
	case opEqual, opGreater, opAtLeast, opAnyBit:
		if at+1+int(max(in.Jt, in.Jf)) >= n {
			return errors.New("jump behind the end")
		}
	case opJump:
		if uint64(at)+1+uint64(in.K) >= uint64(n) {
			return errors.New("jump behind the end")
		}
	case opAnd, opReturn:
	default:
		return fmt.Errorf("operation %#x is none that a filter needs", in.Op)
	}
	return nil
}
