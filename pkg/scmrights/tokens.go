package scmrights

// ringSize is how many grants a worker remembers. An older token than that is
// not recognised any more; a parent sends a token again within seconds.
const ringSize = 4096

// tokenRing remembers the last grants that a worker took.
type tokenRing struct {
	byToken map[token]remembered
	order   []token // as a ring once it is full
	oldest  int
}

type remembered struct {
	name   string
	seq    uint64 // the OFFER that brought it
	number int32
}

func (r *tokenRing) has(t token) bool {
	_, known := r.byToken[t]
	return known
}

func (r *tokenRing) number(t token) (int32, bool) {
	g, known := r.byToken[t]
	return g.number, known
}

func (r *tokenRing) add(t token, name string, seq uint64, number int32) {
	if r.byToken == nil {
		r.byToken = make(map[token]remembered)
	}
	r.byToken[t] = remembered{name: name, seq: seq, number: number}
	if len(r.order) < ringSize {
		r.order = append(r.order, t)
		return
	}
	delete(r.byToken, r.order[r.oldest])
	r.order[r.oldest] = t
	r.oldest = (r.oldest + 1) % ringSize
}

// names returns the names of those slots that are known.
func (r *tokenRing) names(slots []slot) []string {
	var names []string
	for i := range slots {
		if g, known := r.byToken[slots[i].token]; known {
			names = append(names, g.name)
		}
	}
	return names
}

// broughtBy returns the names that the OFFER with this number brought, in the
// order in which they came.
func (r *tokenRing) broughtBy(seq uint64) []string {
	var names []string
	for i := range r.order {
		t := r.order[(r.oldest+i)%len(r.order)]
		if g, known := r.byToken[t]; known && g.seq == seq {
			names = append(names, g.name)
		}
	}
	return names
}
