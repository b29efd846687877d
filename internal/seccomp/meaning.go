package seccomp

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Phases are all of them, in their order.
var Phases = []Phase{Launching, Starting, Running}

// maxDivided bounds the parts that the arguments of one call are divided into.
const maxDivided = 4096

// divided is a part of all arguments of one call that no profile in hand tells
// apart: the clauses that hold in it, and its smallest call.
type divided struct {
	held  []clause
	least [6]uint64
	whole bool // there is no other part
}

// dividing is a clause with whose it is: as soon as one of a profile's holds,
// its other ones decide nothing any more.
type dividing struct {
	clause
	owner int
	start bool
}

// settled says for each profile what holds already: 1 a clause of its start block,
// 2 one of its filter, after which none matters.
type settled [2]uint8

func (s settled) moot(d *dividing) bool {
	return s[d.owner] == 2 || s[d.owner] == 1 && d.start
}

func (s settled) by(d *dividing) settled {
	s[d.owner] = 2
	if d.start {
		s[d.owner] = 1
	}
	return s
}

// divide splits a region by the clauses of the profiles that speak of the call.
func divide(nr uint32, from region, profiles ...*Bound) ([]divided, error) {
	s := splitter{}
	var clauses []dividing
	for _, start := range []bool{false, true} {
		for i, b := range profiles {
			table := b.filter
			if start {
				table = b.start
			}
			for _, r := range table[nr] {
				for _, c := range r.admits {
					s.any = s.any || len(c) > 0
					clauses = append(clauses, dividing{c, i, start})
				}
			}
		}
	}
	if !s.split(from, clauses, settled{}, nil) {
		return nil, fmt.Errorf("%s: its conditions come to more than %d cases: too many to be told one by one", CallName(profiles[0].Arch, nr), maxDivided)
	}
	return s.parts, nil
}

type splitter struct {
	any   bool // some clause depends on the arguments
	parts []divided
	work  int
}

// split reports false when it comes to too many parts. What holds comes first,
// in the order of the profile.
func (s *splitter) split(r region, rest []dividing, done settled, held []clause) bool {
	for len(rest) > 0 && done.moot(&rest[0]) {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		s.parts = append(s.parts, divided{slices.Clone(held), r.least(), !s.any})
		return len(s.parts) < maxDivided
	}
	var failing []region
	yes, possible := r, true
	for _, t := range rest[0].tests() {
		if s.work += len(yes.cubes(t.word)); s.work > maxWork {
			return false
		}
		holds, fails, okHolds, okFails := yes.split(t.word, t.test)
		if okFails {
			failing = append(failing, fails)
		}
		if yes, possible = holds, okHolds; !possible {
			break
		}
	}
	if possible {
		now := held
		if len(rest[0].clause) > 0 {
			now = append(slices.Clone(held), rest[0].clause)
		}
		if !s.split(yes, rest[1:], done.by(&rest[0]), now) {
			return false
		}
	}
	for _, f := range failing {
		if !s.split(f, rest[1:], done, held) {
			return false
		}
	}
	return true
}

// wordTest is a test of one word of seccomp_data.
type wordTest struct {
	word int
	test
}

// tests are the comparisons of 32-bit words that the clause comes to.
func (c clause) tests() []wordTest {
	var out []wordTest
	for _, a := range c {
		for half := range 2 {
			t := test{mask: uint32(a.mask >> (32 * half)), k: uint32(a.value >> (32 * half))}
			if t.mask != 0 {
				out = append(out, wordTest{wordArgs + 2*a.arg + half, t})
			}
		}
	}
	return out
}

// least are the smallest arguments of the region.
func (r *region) least() (args [6]uint64) {
	var p point
	for w := wordArgs; w < wordsOfData; w++ {
		low := ^uint32(0)
		for _, c := range r.cubes(w) {
			low = min(low, c.value)
		}
		p.set(w, low)
	}
	return p.args
}

// when says in the words of a profile which clauses hold; arguments that known
// has are left out, for whoever asked gave them.
func (d *divided) when(a Arch, nr uint32, known [6]bool) string {
	if len(d.held) == 0 && !d.whole {
		return otherwise
	}
	var all []string
	for _, c := range d.held {
		var words []string
		for _, t := range c {
			if !known[t.arg] {
				words = append(words, t.words(a, CallName(a, nr)))
			}
		}
		if text := strings.Join(words, " && "); text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, " && ")
}

const otherwise = "otherwise"

// words is the test as a condition.
func (t atom) words(a Arch, call string) string {
	width := argWidth(a, call, t.arg)
	full := ^uint64(0) >> (64 - width)
	left := fmt.Sprintf("arg%d", t.arg)
	if t.mask != full {
		mask := bracketed(argumentWords(a, call, t.arg, t.mask))
		if bits.OnesCount64(t.mask) > width/2 { // most often written as what it leaves out
			mask = "~" + bracketed(argumentWords(a, call, t.arg, ^t.mask&full))
		}
		left += " & " + mask
	}
	return left + " == " + argumentWords(a, call, t.arg, t.value)
}

func bracketed(s string) string {
	if strings.Contains(s, "|") {
		return "(" + s + ")"
	}
	return s
}

// argumentWords writes a value of an argument as Describe would, so that it can
// be read again as part of a profile.
func argumentWords(a Arch, call string, arg int, v uint64) string {
	for name, n := range symbol {
		if v == n {
			return "$" + name
		}
	}
	if v == 0 && (arg >= len(signature(call)) || signature(call)[arg].bits) {
		return "0"
	}
	if sig := signature(call); arg < len(sig) {
		text := sig[arg].describe(a, v)
		if sig[arg].names == "O_" {
			text = strings.TrimPrefix(strings.TrimPrefix(text, "O_RDONLY|"), "O_RDONLY")
		}
		if text != "" && text != "NULL" && text != "0x0" {
			return text
		}
		return "0"
	}
	return "0x" + strconv.FormatUint(v, 16)
}
