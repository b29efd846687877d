package seccomp

import (
	"fmt"
	"slices"
	"strings"
)

// Explanation is what becomes of a call, phase by phase, and why.
type Explanation struct {
	Call     string
	Arch     Arch
	Nr       uint32
	Outcomes []Outcome // more than one where arguments were left open
	Lines    []Line
}

// Outcome is what becomes of the call when its open arguments are like When.
type Outcome struct {
	When      string // "" for all of them, "otherwise" for all that no other outcome names
	Example   [6]uint64
	Decisions [3]Decision // by Phase
}

// Line is a line of the profile that names the call, in the order in which it
// is asked: the filter's before those of the start block, what admits before
// what refuses.
type Line struct {
	Profile string
	Line    int
	Rule    string
	Start   bool
	Says    string // holds, does not hold: arg3, depends on arg0
}

// Explain tells what becomes of a call. Open arguments divide it by what the
// profile tells apart.
func (b *Bound) Explain(c *Call) (*Explanation, error) {
	if c.Arch != b.Arch {
		return nil, fmt.Errorf("a call of %s, and the profile bound for %s", c.Arch, b.Arch)
	}
	var from region
	for i, known := range c.Known {
		if known {
			from[wordArgs+2*i] = []cube{{^uint32(0), uint32(c.Args[i])}}
			from[wordArgs+2*i+1] = []cube{{^uint32(0), uint32(c.Args[i] >> 32)}}
		}
	}
	parts, err := divide(c.Nr, from, b)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Call: c.String(), Arch: c.Arch, Nr: c.Nr}
	for _, part := range parts {
		o := Outcome{When: part.when(c.Arch, c.Nr, c.Known), Example: part.least}
		for _, ph := range Phases {
			o.Decisions[ph] = b.Decide(ph, c.Nr, part.least)
		}
		e.add(o)
	}
	switch i := slices.IndexFunc(e.Outcomes, func(o Outcome) bool { return o.When == "" }); {
	case len(e.Outcomes) == 1:
		e.Outcomes[0].When = ""
	case i >= 0:
		e.Outcomes[i].When = otherwise
	}
	for _, r := range append(slices.Clone(b.filter[c.Nr]), b.start[c.Nr]...) {
		e.Lines = append(e.Lines, Line{r.profile, r.pos.Line, r.text, r.start, r.says(c)})
	}
	return e, nil
}

// add puts outcomes together that decide alike.
func (e *Explanation) add(o Outcome) {
	i := slices.IndexFunc(e.Outcomes, func(x Outcome) bool { return x.Decisions == o.Decisions })
	switch {
	case i < 0:
		e.Outcomes = append(e.Outcomes, o)
	case o.When == "" || o.When == otherwise:
		e.Outcomes[i].When = o.When
	case e.Outcomes[i].When != "" && e.Outcomes[i].When != otherwise && !slices.Contains(strings.Split(e.Outcomes[i].When, " || "), o.When):
		e.Outcomes[i].When += " || " + o.When
	}
}

// says is what one rule has to say of a call with open arguments.
func (r *boundRule) says(c *Call) string {
	if r.refuse && len(r.admits) == 0 {
		return "refuses"
	}
	var wrong, open [6]bool
	maybe := false
	for _, cl := range r.admits {
		fails, depends := -1, false
		for _, t := range cl {
			switch {
			case !c.Known[t.arg]:
				depends = true
				open[t.arg] = true
			case c.Args[t.arg]&t.mask != t.value && fails < 0:
				fails = t.arg
			}
		}
		switch {
		case fails >= 0:
			wrong[fails] = true
		case !depends:
			return "holds"
		default:
			maybe = true
		}
	}
	if maybe {
		return "depends on " + numbered(open)
	}
	if len(r.admits) == 0 {
		return "does not hold: its variable has no values"
	}
	return "does not hold: " + numbered(wrong)
}

func numbered(args [6]bool) string {
	text := ""
	for i, is := range args {
		if is {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("arg%d", i)
		}
	}
	return text
}
