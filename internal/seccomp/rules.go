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
// that they do not name is to be a notice.
func (b *Bound) Rules() ([]FilterRule, error) {
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
			admits, refusing = []clause{nil}, nil
		}
		for _, c := range distinct(admits) {
			out = append(out, filterRule(b.Arch, nr, FilterAllow, c))
		}
		if refusing == nil {
			continue
		}
		rest, err := complement(refusing.rule, admits)
		if err != nil {
			return nil, err
		}
		for _, c := range rest {
			out = append(out, filterRule(b.Arch, nr, FilterErrno(refusing.errno), c))
		}
	}
	return out, nil
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

// complement is what none of the clauses matches, in clauses that exclude each
// other.
func complement(r *rule, taken []clause) ([]clause, error) {
	rest := []clause{nil}
	for _, t := range taken {
		var next []clause
		for _, c := range rest {
			next = append(next, subtract(c, t)...)
		}
		if rest = next; len(rest) > maxAlternatives {
			return nil, tooWide(r)
		}
	}
	return rest, nil
}

// subtract is what c matches and taken does not: one clause for each bit that
// taken fixes and c does not, equal to taken before it and different in it.
func subtract(c, taken clause) []clause {
	if _, overlap := merge(c, taken); !overlap {
		return []clause{c}
	}
	var out []clause
	same := c
	for _, t := range taken {
		for bit := uint64(1); bit != 0; bit <<= 1 {
			if t.mask&bit == 0 || slices.ContainsFunc(same, func(o atom) bool { return o.arg == t.arg && o.mask&bit != 0 }) {
				continue
			}
			other, _ := merge(same, clause{{t.arg, bit, ^t.value & bit}})
			out = append(out, other)
			same, _ = merge(same, clause{{t.arg, bit, t.value & bit}})
		}
	}
	return out
}
