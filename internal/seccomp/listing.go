package seccomp

import (
	"fmt"
	"strings"

	"golang.org/x/net/bpf"
)

// Listing is the program in the words of a BPF assembler, one instruction a line
// with its number, and behind it what a number means: the call that it compares
// with, the argument that it loads, the verdict that it returns.
func (p *Program) Listing() string {
	code, err := p.instructions()
	if err != nil {
		return err.Error()
	}
	words := accumulated(code)
	var b strings.Builder
	for i, in := range code {
		b.WriteString(p.line(i, in, words[i]) + "\n")
	}
	return b.String()
}

func (p *Program) line(at int, in bpf.RawInstruction, word int) string {
	text := fmt.Sprintf("%4d  %v", at, in.Disassemble())
	if note := p.note(in, word); note != "" {
		text = fmt.Sprintf("%-40s ; %s", text, note)
	}
	return text
}

// Words that an accumulator can hold beside those of seccomp_data.
const (
	wordUnknown = -1 // different ones, by the way that was taken
	wordNone    = -2 // not reached
)

// accumulated says for each instruction which word of seccomp_data the
// accumulator comes from there. Jumps go forward only, so one pass is enough.
func accumulated(code []bpf.RawInstruction) []int {
	words := make([]int, len(code))
	for i := range words {
		words[i] = wordNone
	}
	words[0] = wordUnknown
	reach := func(at, word int) {
		switch {
		case at >= len(code):
		case words[at] == wordNone:
			words[at] = word
		case words[at] != word:
			words[at] = wordUnknown
		}
	}
	for i, in := range code {
		word := words[i]
		switch in.Op {
		case opReturn:
		case opLoad:
			reach(i+1, int(in.K/4))
		case opAnd:
			reach(i+1, word)
		case opJump:
			reach(i+1+int(in.K), word)
		default:
			reach(i+1+int(in.Jt), word)
			reach(i+1+int(in.Jf), word)
		}
	}
	return words
}

// note is what the numbers of an instruction stand for, "" where nothing is to
// be said. word is what the accumulator holds before it.
func (p *Program) note(in bpf.RawInstruction, word int) string {
	switch in.Op {
	case opLoad:
		return wordName(int(in.K / 4))
	case opReturn:
		return FilterVerdict(in.K).String()
	case opEqual, opAtLeast, opGreater:
		switch {
		case word == wordNr && p.Arch == AMD64 && in.K == x32Bit:
			return "x32"
		case word == wordNr:
			return CallName(p.Arch, in.K)
		case word == wordArch && in.K == p.Arch.Audit():
			return p.Arch.String()
		}
	}
	return ""
}

func wordName(word int) string {
	switch {
	case word == wordNr:
		return "call"
	case word == wordArch:
		return "architecture"
	case word%2 == 0:
		return fmt.Sprintf("arg%d", (word-wordArgs)/2)
	}
	return fmt.Sprintf("arg%d, high word", (word-wordArgs)/2)
}
