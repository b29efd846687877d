package seccomp

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// The part of the OCI runtime specification that is about seccomp
// (config-linux.md, "Seccomp").
type ociProfile struct {
	DefaultAction    string     `json:"defaultAction"`
	DefaultErrnoRet  *uint32    `json:"defaultErrnoRet,omitempty"`
	Architectures    []string   `json:"architectures,omitempty"`
	Flags            []string   `json:"flags,omitempty"`
	ListenerPath     string     `json:"listenerPath,omitempty"`
	ListenerMetadata string     `json:"listenerMetadata,omitempty"`
	Syscalls         []ociCalls `json:"syscalls,omitempty"`
}

type ociCalls struct {
	Names    []string `json:"names"`
	Action   string   `json:"action"`
	ErrnoRet *uint32  `json:"errnoRet,omitempty"`
	Args     []ociArg `json:"args,omitempty"`
}

type ociArg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo,omitempty"`
	Op       string `json:"op"`
}

const (
	ociAllow = "SCMP_ACT_ALLOW"
	ociErrno = "SCMP_ACT_ERRNO"
	ociKill  = "SCMP_ACT_KILL_PROCESS"

	ociEqual       = "SCMP_CMP_EQ"
	ociMaskedEqual = "SCMP_CMP_MASKED_EQ"
)

var ociArchs = map[Arch]string{AMD64: "SCMP_ARCH_X86_64", ARM64: "SCMP_ARCH_AARCH64", ARM: "SCMP_ARCH_ARM"}

// ExportOCI writes the profile as the seccomp object of an OCI runtime
// configuration, for one architecture. That format knows no phases and nobody to
// ask: the start block is admitted for ever, and what would be a breach kills
// the process. Notes say where it admits or refuses otherwise than the profile.
func (b *Bound) ExportOCI() (text []byte, notes []string, err error) {
	out := ociProfile{DefaultAction: ociKill, Architectures: []string{ociArchs[b.Arch]}}
	for _, nr := range numbersOf(b) {
		filter, start := b.filter[nr], b.start[nr]
		all := append(slices.Clone(filter), start...)
		call := CallName(b.Arch, nr)
		var admits []clause
		var refuses *boundRule
		for _, r := range all {
			admits = append(admits, r.admits...)
			if r.refuse && refuses == nil {
				refuses = r
			}
		}
		if len(start) > 0 {
			notes = append(notes, fmt.Sprintf("%s: what the start block says of it holds for ever", call))
		}
		switch {
		case len(admits) > 0 && refuses != nil:
			notes = append(notes, fmt.Sprintf("%s: what it does not admit kills the process instead of failing with %s", call, errnoName(refuses.errno)))
		case refuses != nil:
			errno := uint32(refuses.errno)
			out.Syscalls = append(out.Syscalls, ociCalls{Names: []string{call}, Action: ociErrno, ErrnoRet: &errno})
		}
		if slices.ContainsFunc(admits, func(c clause) bool { return len(c) == 0 }) {
			admits = []clause{nil}
		}
		for _, c := range distinct(admits) {
			out.Syscalls = append(out.Syscalls, ociCalls{Names: []string{call}, Action: ociAllow, Args: ociArgs(c)})
		}
	}
	if b.PIDOpen {
		notes = append(notes, "$self_pid has no value before there is a process: what compares with it is admitted for every process")
	}
	out.Syscalls = gathered(out.Syscalls)
	text, err = json.MarshalIndent(out, "", "  ")
	return append(text, '\n'), notes, err
}

func ociArgs(c clause) []ociArg {
	var out []ociArg
	for _, t := range c {
		a := ociArg{Index: uint(t.arg), Value: t.mask, ValueTwo: t.value, Op: ociMaskedEqual}
		if t.mask == ^uint64(0) {
			a = ociArg{Index: uint(t.arg), Value: t.value, Op: ociEqual}
		}
		out = append(out, a)
	}
	return out
}

// gathered puts the calls without conditions that have one verdict together.
func gathered(all []ociCalls) []ociCalls {
	var out, special []ociCalls
	plain := make(map[string]*ociCalls)
	for _, c := range all {
		key := c.Action
		if c.ErrnoRet != nil {
			key += fmt.Sprint(*c.ErrnoRet)
		}
		switch one, seen := plain[key]; {
		case len(c.Args) > 0:
			special = append(special, c)
		case seen:
			one.Names = append(one.Names, c.Names...)
		default:
			plain[key] = &c
		}
	}
	for _, key := range slices.Sorted(maps.Keys(plain)) {
		slices.Sort(plain[key].Names)
		out = append(out, *plain[key])
	}
	return append(out, special...)
}
