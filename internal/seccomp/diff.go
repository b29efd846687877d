package seccomp

import (
	"cmp"
	"maps"
	"slices"
)

// Difference is a set of calls that two profiles decide differently.
type Difference struct {
	Call   string
	When   string // what the arguments are like; "" for any, "otherwise" for all that the profiles do not name
	Archs  []Arch
	Phases []Phase
	A, B   Decision
}

// Diff compares what two profiles mean, on every architecture, in every phase,
// for every call and all its arguments. Lines that say the same in other words
// are no difference. Variables stand for themselves.
func Diff(a, b *Profile) ([]Difference, error) {
	var out []Difference
	for _, arch := range Archs {
		x, err := a.Bind(arch, Symbols())
		if err != nil {
			return nil, err
		}
		y, err := b.Bind(arch, Symbols())
		if err != nil {
			return nil, err
		}
		for _, nr := range numbersOf(x, y) {
			found, err := diffCall(nr, x, y)
			if err != nil {
				return nil, err
			}
			for _, d := range found {
				i := slices.IndexFunc(out, func(o Difference) bool { return o.like(&d) && slices.Equal(o.Phases, d.Phases) })
				if i < 0 {
					out = append(out, d)
				} else if !slices.Contains(out[i].Archs, arch) {
					out[i].Archs = append(out[i].Archs, arch)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(x, y Difference) int { return cmp.Compare(x.Call, y.Call) })
	return out, nil
}

func numbersOf(profiles ...*Bound) []uint32 {
	all := make(map[uint32]bool)
	for _, b := range profiles {
		for _, table := range []map[uint32][]*boundRule{b.filter, b.start} {
			for nr := range table {
				all[nr] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// diffCall compares one call on the architecture that both are bound for.
func diffCall(nr uint32, x, y *Bound) (out []Difference, err error) {
	parts, err := divide(nr, region{}, x, y)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		for _, ph := range Phases {
			d := Difference{Call: CallName(x.Arch, nr), When: part.when(x.Arch, nr, [6]bool{}), Archs: []Arch{x.Arch}, Phases: []Phase{ph},
				A: x.Decide(ph, nr, part.least), B: y.Decide(ph, nr, part.least)}
			if d.A.Action == d.B.Action && d.A.Errno == d.B.Errno {
				continue
			}
			i := slices.IndexFunc(out, func(o Difference) bool { return o.like(&d) })
			if i < 0 {
				out = append(out, d)
			} else if !slices.Contains(out[i].Phases, ph) {
				out[i].Phases = append(out[i].Phases, ph)
			}
		}
	}
	return out, nil
}

// like reports whether two differences are one, but for where and when.
func (d *Difference) like(o *Difference) bool {
	return d.Call == o.Call && d.When == o.When && d.A.Action == o.A.Action && d.B.Action == o.B.Action && d.A.Errno == o.A.Errno && d.B.Errno == o.B.Errno
}
