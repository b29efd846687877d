package seccomp

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/net/bpf"
)

// maxPoints bounds a verification; a profile that needs more is too wide.
const maxPoints = 1_000_000

// Mismatch is a call on which a compiled program and its profile disagree.
type Mismatch struct {
	Arch     Arch
	Profile  string
	Line     int // of the rule that decides in the profile, 0 for none
	Audit    uint32
	Nr       uint32
	Args     [6]uint64
	Argument int // the one on which they part, -1 for the call as a whole
	Got      FilterVerdict
	Want     FilterVerdict
}

func (m *Mismatch) Error() string {
	where := fmt.Sprintf("profile %s on %s", m.Profile, m.Arch)
	if m.Audit != m.Arch.Audit() {
		return fmt.Sprintf("%s: for call %d of architecture %#x the compiled filter says %v, the profile %v", where, m.Nr, m.Audit, m.Got, m.Want)
	}
	if m.Line > 0 {
		where += fmt.Sprintf(", line %d", m.Line)
	}
	about := ""
	if m.Argument >= 0 {
		name := ""
		if sig := signature(CallName(m.Arch, m.Nr)); m.Argument < len(sig) {
			name = " (" + sig[m.Argument].name + ")"
		}
		about = fmt.Sprintf(", which turns on arg%d%s = %#x", m.Argument, name, m.Args[m.Argument])
	}
	return fmt.Sprintf("%s: for %s the compiled filter says %v, the profile %v%s", where, Describe(m.Arch, m.Nr, m.Args), m.Got, m.Want, about)
}

// Verify runs the program on at least one point of every class of calls that it
// or the model can tell apart, and compares. Classes come from the comparisons
// that the program can reach for a call, and from those of the profile; so
// agreement here is agreement on every call there is. The error is *Mismatch
// for the first disagreement.
func Verify(b *Bound, p *Program) error {
	_, err := verify(b, p)
	return err
}

// verify also says how many points were compared.
func verify(b *Bound, p *Program) (int, error) {
	if b.Arch != p.Arch {
		return 0, fmt.Errorf("program for %s, profile %s bound for %s", p.Arch, b.Profile.Name, b.Arch)
	}
	code, err := p.instructions()
	if err != nil {
		return 0, fmt.Errorf("profile %s on %s: %w", b.Profile.Name, b.Arch, err)
	}
	m, err := newMachine(code)
	if err != nil {
		return 0, fmt.Errorf("profile %s on %s: %w", b.Profile.Name, b.Arch, err)
	}
	v := &verifier{bound: b, machine: m, code: code}
	outer := walk(code, nil)
	archs, err := points(append(outer[wordArch], test{mask: ^uint32(0), k: b.Arch.Audit()}))
	if err != nil {
		return 0, err
	}
	numbers, err := points(append(outer[wordNr], b.numberTests()...))
	if err != nil {
		return 0, err
	}
	for _, arch := range archs {
		for _, nr := range numbers {
			if err := v.call(nr, arch); err != nil {
				return v.compared, err
			}
		}
	}
	return v.compared, nil
}

func points(tests []test) ([]uint32, error) {
	p, err := classes(tests)
	return boundary(tests, p), err
}

// numberTests are the call numbers that the model treats apart.
func (b *Bound) numberTests() []test {
	var out []test
	for _, table := range []map[uint32][]*boundRule{b.filter, b.start} {
		for nr := range table {
			out = append(out, test{mask: ^uint32(0), k: nr})
		}
	}
	for nr := range b.never {
		out = append(out, test{mask: ^uint32(0), k: nr})
	}
	slices.SortFunc(out, func(x, y test) int { return int(int64(x.k) - int64(y.k)) })
	if b.Arch == AMD64 {
		out = append(out, test{mask: ^uint32(0), k: x32Bit, atLeast: true})
	}
	return append(out, test{mask: ^uint32(0), k: ^uint32(0)})
}

// argumentTests adds the comparisons that the model makes for a call.
func (b *Bound) argumentTests(nr uint32, tests map[int][]test) {
	for _, r := range b.filter[nr] {
		for _, c := range r.admits {
			for _, a := range c {
				for half := range 2 {
					t := test{mask: uint32(a.mask >> (32 * half)), k: uint32(a.value >> (32 * half))}
					word := wordArgs + 2*a.arg + half
					if t.mask != 0 && !slices.Contains(tests[word], t) {
						tests[word] = append(tests[word], t)
					}
				}
			}
		}
	}
}

type verifier struct {
	bound    *Bound
	machine  *machine
	code     []bpf.RawInstruction
	compared int
	work     int
	tests    map[int][]test // that program or model make of the call in hand
}

// call compares program and model for one call number: on every path through
// the two, and on the neighbours of every constant.
func (v *verifier) call(nr, arch uint32) error {
	v.tests = walk(v.code, known{wordNr: nr, wordArch: arch})
	if arch == v.bound.Arch.Audit() {
		v.bound.argumentTests(nr, v.tests)
	}
	p := point{nr: nr, arch: arch}
	if err := v.explore(&p, 0, register{word: -1}, region{}); err != nil {
		return err
	}
	return v.neighbours(&p)
}

// neighbours varies one word at a time around a point that the profile admits,
// if it admits any. Each of these is in a class that explore has tried: they are
// a second net, should the classes be wrong.
func (v *verifier) neighbours(p *point) error {
	if rules := v.bound.filter[p.nr]; len(rules) > 0 && len(rules[0].admits) > 0 {
		for _, a := range rules[0].admits[0] {
			p.args[a.arg] = a.value
		}
	}
	for _, w := range slices.Sorted(maps.Keys(v.tests)) {
		keep := p.word(w)
		for _, value := range boundary(v.tests[w], nil) {
			p.set(w, value)
			if err := v.compare(p); err != nil {
				return err
			}
		}
		p.set(w, keep)
	}
	return nil
}

func (v *verifier) want(p *point) (FilterVerdict, *boundRule) {
	if p.arch != v.bound.Arch.Audit() {
		return FilterKill, nil
	}
	return v.bound.verdict(p.nr, &p.args)
}

func (v *verifier) compare(p *point) error {
	if v.compared++; v.compared > maxPoints {
		return v.tooWide(p)
	}
	got, err := v.machine.run(p)
	if err != nil {
		return err
	}
	want, r := v.want(p)
	if got == want {
		return nil
	}
	m := &Mismatch{Arch: v.bound.Arch, Profile: v.bound.Profile.Name, Audit: p.arch, Nr: p.nr, Args: p.args, Argument: -1, Got: got, Want: want}
	if r == nil && len(v.bound.filter[p.nr]) > 0 {
		r = v.bound.filter[p.nr][0]
	}
	if r != nil {
		m.Line, m.Profile = r.pos.Line, r.profile
	}
	m.Argument = v.culprit(p)
	return m
}

func (v *verifier) tooWide(p *point) error {
	return fmt.Errorf("profile %s on %s: %s: more than %d classes of calls: the profile is too wide", v.bound.Profile.Name, v.bound.Arch, CallName(v.bound.Arch, p.nr), maxPoints)
}

// culprit is the argument on which they part: one that, changed alone, changes
// what both say (they compare it with different values), else one that only the
// profile looks at (a check is missing), else one that only the program does.
func (v *verifier) culprit(p *point) int {
	got, _ := v.machine.run(p)
	want, _ := v.want(p)
	best, rank := -1, 0
	for _, w := range slices.Sorted(maps.Keys(v.tests)) {
		q, moved := *p, 0
		for _, value := range boundary(v.tests[w], nil) {
			q.set(w, value)
			if other, _ := v.want(&q); other != want {
				moved |= 2
			}
			if other, err := v.machine.run(&q); err == nil && other != got {
				moved |= 1
			}
		}
		if moved > rank {
			best, rank = (w-wordArgs)/2, moved
		}
	}
	return best
}
