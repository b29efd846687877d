package seccomp

import "golang.org/x/net/bpf"

// Trace is the way of one call through the program: the lines of its listing
// that are executed, and the verdict they end in.
func (p *Program) Trace(nr uint32, args [6]uint64) ([]string, FilterVerdict, error) {
	code, err := p.instructions()
	if err != nil {
		return nil, 0, err
	}
	data := point{nr, p.Arch.Audit(), args}
	words := accumulated(code)
	var lines []string
	acc := uint32(0)
	for pc := 0; ; {
		in := code[pc]
		lines = append(lines, p.line(pc, in, words[pc]))
		switch in.Op {
		case opReturn:
			return lines, FilterVerdict(in.K), nil
		case opLoad:
			acc = data.word(int(in.K / 4))
		case opAnd:
			acc &= in.K
		case opJump:
			pc += int(in.K)
		default:
			pc += taken(in, acc)
		}
		pc++
	}
}

// taken is how many instructions a conditional jump passes over.
func taken(in bpf.RawInstruction, acc uint32) int {
	yes := false
	switch in.Op {
	case opEqual:
		yes = acc == in.K
	case opGreater:
		yes = acc > in.K
	case opAtLeast:
		yes = acc >= in.K
	case opAnyBit:
		yes = acc&in.K != 0
	}
	if yes {
		return int(in.Jt)
	}
	return int(in.Jf)
}
