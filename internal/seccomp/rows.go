package seccomp

import (
	"maps"
	"slices"
)

// Row is one line of a profile or of a group that it includes, as it was written.
type Row struct {
	Profile      string // whose file has it
	Line         int
	Rule         string
	Reason       string // the comment behind it
	Start        bool
	Acknowledged bool // it undoes a part of the confinement, and says so
	Archs        []Arch
	Everywhere   bool // on every architecture
}

// Rows are the lines of the profile in their order, groups where they are included.
func (p *Profile) Rows() []Row {
	var out []Row
	for _, r := range p.rules {
		out = append(out, Row{r.profile, r.pos.Line, r.text, r.reason, r.start, r.acknowledged, r.archs.list(), r.archs == allArchs})
	}
	return out
}

// Calls are the names of the calls that a profile speaks of on one architecture,
// apart from those that only its start block has.
func (p *Profile) Calls(a Arch) (always, start []string) {
	lists := map[bool]map[string]bool{false: {}, true: {}}
	for _, r := range p.rules {
		if r.archs.has(a) {
			lists[r.start][r.call] = true
		}
	}
	maps.DeleteFunc(lists[true], func(call string, _ bool) bool { return lists[false][call] })
	return slices.Sorted(maps.Keys(lists[false])), slices.Sorted(maps.Keys(lists[true]))
}

// Variables are the names of the variables that the profile needs a value of,
// without the $.
func (p *Profile) Variables() []string {
	found := make(map[string]bool)
	for _, r := range p.rules {
		if r.cond == nil {
			continue
		}
		comparisons(r.cond, func(c *compare) {
			for _, v := range append(slices.Clone(c.values), c.mask) {
				variablesOf(v, found)
			}
		})
	}
	return slices.Sorted(maps.Keys(found))
}

func variablesOf(v value, found map[string]bool) {
	switch v := v.(type) {
	case *variable:
		found[v.name] = true
	case *join:
		variablesOf(v.a, found)
		if v.b != nil {
			variablesOf(v.b, found)
		}
	}
}
