package seccomp

import (
	"errors"
	"fmt"
	"slices"
)

// Vars are the values of a profile's $variables, without the $. A variable with
// no values is bound: what compares with it never holds.
type Vars map[string][]uint64

// maxAlternatives bounds the conjunctions of one rule. A `!=` under a mask of n
// bits is n of them.
const maxAlternatives = 1024

// maxClauses bounds those of a whole profile: each takes an instruction or more,
// and the kernel takes maxInstructions.
const maxClauses = maxInstructions

// atom is the one test that reaches libseccomp: a masked equality on one
// argument, (args[Arg] & Mask) == Value.
type atom struct {
	arg         int
	mask, value uint64
}

func (t atom) holds(args *[6]uint64) bool { return args[t.arg]&t.mask == t.value }

// clause is a conjunction of atoms; the empty one always holds.
type clause []atom

func (c clause) holds(args *[6]uint64) bool {
	for _, t := range c {
		if !t.holds(args) {
			return false
		}
	}
	return true
}

// boundRule is a rule with its numbers: any of the clauses admits the call.
type boundRule struct {
	*rule
	admits []clause
}

// Bound is a profile with its variables and for one architecture: the model
// that a compiled filter must agree with. It does not change.
type Bound struct {
	Profile *Profile
	Arch    Arch
	filter  map[uint32][]*boundRule // what the kernel answers by itself
	start   map[uint32][]*boundRule // what the parent answers until HELLO
	never   map[uint32]bool

	// PIDOpen: a rule compares with $self_pid, which has no value, so that only
	// the worker's own uid keeps it from signalling other processes.
	PIDOpen bool
}

// Bind gives the variables their values. Every variable that a rule names must
// be there; where it stands for a single value it must have exactly one.
// self_pid alone may be missing: then a comparison with it holds for every
// process id, and PIDOpen says so; bind it to PIDTemplate to have it pinned.
func (p *Profile) Bind(a Arch, v Vars) (*Bound, error) {
	if !allArchs.has(a) {
		return nil, fmt.Errorf("profile %s: architecture %s: profiles know %s", p.Name, a, archNames(Archs))
	}
	b := &Bound{Profile: p, Arch: a, filter: make(map[uint32][]*boundRule), start: make(map[uint32][]*boundRule), never: make(map[uint32]bool)}
	for _, name := range Never(a) {
		b.never[callTable[a][name]] = true
	}
	var problems Problems
	all := 0
	for _, r := range p.rules {
		if !r.archs.has(a) {
			continue
		}
		br, err := bindRule(r, a, v)
		if err != nil {
			problems = append(problems, problemOf(r, err))
			continue
		}
		if all += len(br.admits); all > maxClauses {
			return nil, Problems{*tooMany(r)}
		}
		table := b.filter
		if r.start {
			table = b.start
		}
		if _, bound := v[selfPID]; !bound && r.cond != nil && usesPID(r.cond) {
			b.PIDOpen = true
		}
		nr := callTable[a][r.call]
		delete(b.never, nr) // the line acknowledges it, else it would be none
		table[nr] = append(table[nr], br)
	}
	return b, problems.err()
}

func bindRule(r *rule, a Arch, v Vars) (*boundRule, error) {
	out := &boundRule{rule: r}
	switch {
	case r.cond == nil && r.refuse:
		return out, nil
	case r.cond == nil:
		out.admits = []clause{nil}
		return out, checkClone(r, out.admits)
	}
	var err error
	if out.admits, err = clauses(r, r.cond, a, v); err != nil {
		return nil, err
	}
	return out, checkClone(r, out.admits)
}

func problemOf(r *rule, err error) Problem {
	if at, ok := errors.AsType[*Problem](err); ok {
		return *at
	}
	return Problem{Pos: r.pos, What: err.Error()}
}

func usesPID(e expr) bool {
	switch e := e.(type) {
	case *logic:
		return usesPID(e.left) || usesPID(e.right)
	case *compare:
		return e.onPID()
	}
	return false
}

// cloneNamespaces are the flags of clone that make namespaces.
const cloneNamespaces = 0x7e020000

// checkClone refuses a rule that leaves a namespace flag of clone open.
func checkClone(r *rule, admits []clause) error {
	if r.call != "clone" || r.acknowledged {
		return nil
	}
	for _, c := range admits {
		pinned := slices.ContainsFunc(c, func(t atom) bool {
			return t.arg == 0 && t.mask&cloneNamespaces == cloneNamespaces && t.value&cloneNamespaces == 0
		})
		if !pinned {
			return &Problem{Pos: r.pos, What: "clone with namespace flags is admitted", Why: "a new namespace gives back what the launch took away", Fix: "compare arg0 with the flags of a thread, or put the line into acknowledge { } with the reason"}
		}
	}
	return nil
}

// clauses brings a condition into disjunctive form.
func clauses(r *rule, e expr, a Arch, v Vars) ([]clause, error) {
	if c, ok := e.(*compare); ok {
		return c.clauses(r, a, v)
	}
	l := e.(*logic)
	left, err := clauses(r, l.left, a, v)
	if err != nil {
		return nil, err
	}
	right, err := clauses(r, l.right, a, v)
	if err != nil {
		return nil, err
	}
	if l.and {
		return product(r, left, right)
	}
	return limited(r, append(left, right...))
}

func product(r *rule, left, right []clause) ([]clause, error) {
	if len(left)*len(right) > maxAlternatives {
		return nil, tooWide(r)
	}
	var out []clause
	for _, x := range left {
		for _, y := range right {
			if c, possible := merge(x, y); possible {
				out = append(out, c)
			}
		}
	}
	return out, nil
}

// merge joins two conjunctions; one atom an argument, as far as the masks say
// the same. It reports false where the two exclude each other.
func merge(x, y clause) (clause, bool) {
	out := slices.Clone(x)
	for _, t := range y {
		for i, o := range out {
			if o.arg != t.arg {
				continue
			}
			if both := o.mask & t.mask; o.value&both != t.value&both {
				return nil, false
			}
			out[i] = atom{t.arg, o.mask | t.mask, o.value | t.value}
			t.mask = 0
			break
		}
		if t.mask != 0 {
			out = append(out, t)
		}
	}
	return out, true
}

func limited(r *rule, c []clause) ([]clause, error) {
	if len(c) > maxAlternatives {
		return nil, tooWide(r)
	}
	return c, nil
}

func tooMany(r *rule) *Problem {
	return &Problem{Pos: r.pos, What: "the profile is too wide", Why: fmt.Sprintf("up to here it comes to more than %d alternatives, and the kernel takes no longer filter", maxClauses), Fix: "!= under a mask of n bits counts n times: say what is allowed instead"}
}

func tooWide(r *rule) error {
	return &Problem{Pos: r.pos, What: "the condition is too wide", Why: fmt.Sprintf("it comes to more than %d alternatives", maxAlternatives), Fix: "!= under a mask of n bits counts n times: say what is allowed instead"}
}
