package seccomp

import (
	"crypto/sha256"

	"sallyport/internal/seccomp/pidpin"
)

const selfPID = "self_pid"

// PIDTemplate is the value to bind self_pid to when a program is compiled
// before its process exists; ForPID, or pidpin.Pin in the launch stage, then
// puts the process id in.
const PIDTemplate = pidpin.Template

// ForPID is the program with the process id in place of PIDTemplate. It is a
// new program: verify it against the profile bound to that process id.
func (p *Program) ForPID(pid int) *Program {
	out := *p
	out.BPF = pidpin.Pin(p.BPF, pid)
	out.Hash = sha256.Sum256(out.BPF)
	return &out
}
