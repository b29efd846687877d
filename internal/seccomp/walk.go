package seccomp

import (
	"slices"

	"golang.org/x/net/bpf"
)

// known are the words of seccomp_data that a walk takes as given.
type known map[int]uint32

// register is what the accumulator holds at some point of a walk: a constant, or
// a word of seccomp_data under a mask.
type register struct {
	word int // -1: the constant k, 0 before the first load as in the kernel
	mask uint32
	k    uint32
}

// walk follows every path that the program can take when the given words are
// what they are, and collects the tests that it makes on all other words. Two
// points that agree in the given words and in every such test take one path.
func walk(code []bpf.RawInstruction, given known) map[int][]test {
	type state struct {
		pc  int
		acc register
	}
	seen := make(map[state]bool)
	tests := make(map[int][]test)
	todo := []state{{0, register{word: -1}}}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[s] {
			continue
		}
		seen[s] = true
		in := code[s.pc]
		switch in.Op {
		case opReturn:
		case opJump:
			todo = append(todo, state{s.pc + 1 + int(in.K), s.acc})
		case opLoad:
			todo = append(todo, state{s.pc + 1, loaded(int(in.K/4), given)})
		case opAnd:
			s.acc.mask &= in.K
			s.acc.k &= in.K
			todo = append(todo, state{s.pc + 1, s.acc})
		default:
			yes, no := state{s.pc + 1 + int(in.Jt), s.acc}, state{s.pc + 1 + int(in.Jf), s.acc}
			t, inverted, constant := testOf(in, s.acc)
			switch {
			case s.acc.word < 0 || constant:
				if t.holds(s.acc.k) != inverted {
					todo = append(todo, yes)
				} else {
					todo = append(todo, no)
				}
			default:
				if !slices.Contains(tests[s.acc.word], t) {
					tests[s.acc.word] = append(tests[s.acc.word], t)
				}
				todo = append(todo, yes, no)
			}
		}
	}
	return tests
}

func loaded(word int, given known) register {
	if v, ok := given[word]; ok {
		return register{word: -1, mask: ^uint32(0), k: v}
	}
	return register{word: word, mask: ^uint32(0)}
}

// testOf is the test that a conditional jump makes of the accumulator. constant
// is true when its outcome does not depend on the word.
func testOf(in bpf.RawInstruction, acc register) (t test, inverted, constant bool) {
	mask := acc.mask
	if acc.word < 0 {
		mask = ^uint32(0)
	}
	switch in.Op {
	case opEqual:
		t = test{mask: mask, k: in.K}
	case opAtLeast:
		t = test{mask: mask, k: in.K, atLeast: true}
	case opGreater:
		if in.K == ^uint32(0) {
			return test{mask: 0, k: 1}, false, true // never
		}
		t = test{mask: mask, k: in.K + 1, atLeast: true}
	case opAnyBit:
		t, inverted = test{mask: mask & in.K}, true
	}
	return t, inverted, false
}
