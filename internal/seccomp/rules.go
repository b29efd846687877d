package seccomp

import (
	"fmt"
	"maps"
	"slices"
)

// Test is one comparison of a compiled rule: args[Arg] & Mask == Value.
type Test struct {
	Arg         int
	Mask, Value uint64
}

// FilterRule is one rule for a compiler: the verdict on a call whose tests all
// hold. The rules of one profile never overlap with another verdict, so their
// order does not matter.
type FilterRule struct {
	Call    string
	Nr      uint32
	Verdict FilterVerdict
	Tests   []Test
}

// Rules is what a compiler has to translate, ordered by call number. Everything
// that they do not name is to be a notice; so is a call that a condition does not
// admit, also where the profile then wants an errno, which the parent answers:
// the complement of a condition is too large for a filter.
func (b *Bound) Rules() []FilterRule {
	var out []FilterRule
	for _, nr := range slices.Sorted(maps.Keys(b.never)) {
		out = append(out, FilterRule{Call: CallName(b.Arch, nr), Nr: nr, Verdict: FilterKill})
	}
	for _, nr := range slices.Sorted(maps.Keys(b.filter)) {
		var admits []clause
		var refusing *boundRule
		for _, r := range b.filter[nr] {
			admits = append(admits, r.admits...)
			if r.refuse {
				refusing = r
			}
		}
		if slices.ContainsFunc(admits, func(c clause) bool { return len(c) == 0 }) {
			admits = []clause{nil}
		}
		for _, c := range distinct(admits) {
			out = append(out, filterRule(b.Arch, nr, FilterAllow, c))
		}
		if refusing != nil && b.answersAlways(nr) {
			out = append(out, filterRule(b.Arch, nr, FilterErrno(refusing.errno), nil))
		}
	}
	return out
}

func filterRule(a Arch, nr uint32, v FilterVerdict, c clause) FilterRule {
	r := FilterRule{Call: CallName(a, nr), Nr: nr, Verdict: v}
	for _, t := range c {
		r.Tests = append(r.Tests, Test{t.arg, t.mask, t.value})
	}
	slices.SortFunc(r.Tests, func(x, y Test) int { return x.Arg - y.Arg })
	return r
}

// distinct drops clauses that say the same as an earlier one.
func distinct(all []clause) []clause {
	seen := make(map[string]bool)
	var out []clause
	for _, c := range all {
		c = slices.Clone(c)
		slices.SortFunc(c, func(x, y atom) int { return x.arg - y.arg })
		if k := fmt.Sprint(c); !seen[k] {
			seen[k] = true
			out = append(out, c)
		}
	}
	return out
}
