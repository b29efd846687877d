package pidpin

import (
	"encoding/binary"
	"slices"
)

// Template stands for the process id. No process has it: ids end at 2^22
// (PID_MAX_LIMIT, include/linux/threads.h), so a program that was not pinned
// admits less and never more.
const Template = 0x7a11c0de

const (
	instruction = 8    // sizeof(struct sock_filter)
	jumpEqual   = 0x15 // BPF_JMP|BPF_JEQ|BPF_K
)

// Pin returns a copy of program, an array of struct sock_filter in native
// layout, that compares with pid wherever program compares with Template.
func Pin(program []byte, pid int) []byte {
	out := slices.Clone(program)
	for i := 0; i+instruction <= len(out); i += instruction {
		k := out[i+4 : i+8]
		if binary.NativeEndian.Uint16(out[i:]) == jumpEqual && binary.NativeEndian.Uint32(k) == Template {
			binary.NativeEndian.PutUint32(k, uint32(pid))
		}
	}
	return out
}
