package seccomp

// region is a set of calls of one number: for each word of seccomp_data the
// values that are left, as disjoint cubes. Nil stands for every value.
type region [wordsOfData][]cube

func (r *region) cubes(word int) []cube {
	if r[word] == nil {
		return []cube{{}}
	}
	return r[word]
}

// split divides a region by a test of one word. ok tells which halves hold any
// call at all.
func (r region) split(word int, t test) (yes, no region, okYes, okNo bool) {
	yes, no = r, r
	var y, n []cube
	for _, c := range r.cubes(word) {
		cy, cn := t.split(c)
		y, n = append(y, cy...), append(n, cn...)
	}
	yes[word], no[word] = y, n
	return yes, no, len(y) > 0, len(n) > 0
}

// maxWork bounds the cubes that are divided for one program, so that a profile
// that is too wide is refused within a second or two.
const maxWork = 500_000

// explore follows the program from pc on, dividing the region at every test that
// both outcomes are possible for. At a return the program's verdict is one for
// the whole region; there the model divides it further, until the model's is one
// too, and one comparison settles all of it. The regions of all returns together
// are every call of the number, so nothing is left out.
func (v *verifier) explore(p *point, pc int, acc register, r region) error {
	for {
		in := v.code[pc]
		switch in.Op {
		case opReturn:
			return v.refine(p, r, v.clauses(p))
		case opJump:
			pc += 1 + int(in.K)
			continue
		case opLoad:
			acc = loaded(int(in.K/4), known{wordNr: p.nr, wordArch: p.arch})
			pc++
			continue
		case opAnd:
			acc.mask &= in.K
			acc.k &= in.K
			pc++
			continue
		}
		onYes, onNo := pc+1+int(in.Jt), pc+1+int(in.Jf)
		t, inverted, constant := testOf(in, acc)
		if acc.word < 0 || constant {
			if pc = onNo; t.holds(acc.k) != inverted {
				pc = onYes
			}
			continue
		}
		if v.work += len(r.cubes(acc.word)); v.work > maxWork {
			return v.tooWide(p)
		}
		yes, no, okYes, okNo := r.split(acc.word, t)
		if inverted {
			onYes, onNo = onNo, onYes
		}
		if okYes && okNo {
			if err := v.explore(p, onYes, acc, yes); err != nil {
				return err
			}
		}
		if pc, r = onNo, no; !okNo {
			pc, r = onYes, yes
		}
	}
}

// clauses are those of the model whose outcome depends on the arguments.
func (v *verifier) clauses(p *point) []clause {
	var out []clause
	if p.arch != v.bound.Arch.Audit() {
		return nil
	}
	for _, r := range v.bound.filter[p.nr] {
		out = append(out, r.admits...)
	}
	return out
}

// refine divides the region by the model's clauses, in their order: a call that
// one of them admits is settled there.
func (v *verifier) refine(p *point, r region, clauses []clause) error {
	if len(clauses) == 0 {
		return v.corners(p, r)
	}
	for _, a := range clauses[0] {
		for half := range 2 {
			t := test{mask: uint32(a.mask >> (32 * half)), k: uint32(a.value >> (32 * half))}
			if t.mask == 0 {
				continue
			}
			yes, no, okYes, okNo := r.split(wordArgs+2*a.arg+half, t)
			if okNo {
				if err := v.refine(p, no, clauses[1:]); err != nil {
					return err
				}
			}
			if !okYes {
				return nil
			}
			r = yes
		}
	}
	return v.corners(p, r)
}

// corners compares on the region's smallest and on its largest call.
func (v *verifier) corners(p *point, r region) error {
	low, high := *p, *p
	for w := wordArgs; w < wordsOfData; w++ {
		lo, hi := ^uint32(0), uint32(0)
		for _, c := range r.cubes(w) {
			lo, hi = min(lo, c.value), max(hi, c.value|^c.mask)
		}
		low.set(w, lo)
		high.set(w, hi)
	}
	if err := v.compare(&low); err != nil {
		return err
	}
	return v.compare(&high)
}
