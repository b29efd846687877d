package seccomp

import (
	"fmt"
	"math/bits"
)

// test is one comparison of a 32-bit word, by a program or by the model:
// word & mask == k, or word & mask >= k.
type test struct {
	mask, k uint32
	atLeast bool
}

func (t test) holds(v uint32) bool {
	if t.atLeast {
		return v&t.mask >= t.k
	}
	return v&t.mask == t.k
}

// cube is the set of words w with w & mask == value.
type cube struct{ mask, value uint32 }

// with narrows the cube by one bit; ok is false when nothing is left.
func (c cube) with(bit, value uint32) (cube, bool) {
	if c.mask&bit != 0 {
		return c, c.value&bit == value
	}
	return cube{c.mask | bit, c.value | value}, true
}

// split divides the cube into those words for which the test holds and those for
// which it does not. From the highest bit down, a word that first differs from
// k in a bit is decided there: larger or smaller, and in any case not equal.
func (t test) split(c cube) (yes, no []cube) {
	if !t.atLeast && (c.value^t.k)&c.mask&t.mask != 0 {
		return nil, []cube{c} // decided by what the cube has already
	}
	same, possible := c, true
	for i := 31; i >= 0 && possible; i-- {
		bit := uint32(1) << i
		if t.mask&bit == 0 {
			if t.k&bit != 0 { // word & mask is smaller here, whatever the word
				return yes, append(no, same)
			}
			continue
		}
		if other, ok := same.with(bit, ^t.k&bit); ok {
			if t.atLeast && t.k&bit == 0 {
				yes = append(yes, other)
			} else {
				no = append(no, other)
			}
		}
		same, possible = same.with(bit, t.k&bit)
	}
	if possible {
		yes = append(yes, same)
	}
	return yes, no
}

// maxCells bounds the cubes of one word; a sane profile needs some hundreds.
const maxCells = 1 << 16

// classes divides all 2^32 words into the sets that the tests cannot tell apart,
// and returns points of each: its smallest and largest known word. It is exact:
// two words of one class get the same answer from every test.
func classes(tests []test) ([]uint32, error) {
	groups := [][]cube{{{}}}
	for _, t := range tests {
		var next [][]cube
		total := 0
		for _, g := range groups {
			var yes, no []cube
			for _, c := range g {
				y, n := t.split(c)
				yes, no = append(yes, y...), append(no, n...)
			}
			for _, part := range [][]cube{yes, no} {
				if len(part) > 0 {
					next = append(next, part)
				}
				total += len(part)
			}
		}
		if groups = next; total > maxCells {
			return nil, fmt.Errorf("the comparisons of one argument come to more than %d cells", maxCells)
		}
	}
	var out []uint32
	for _, g := range groups {
		low, high := g[0].value, g[0].value|^g[0].mask
		for _, c := range g {
			low, high = min(low, c.value), max(high, c.value|^c.mask)
		}
		if out = append(out, low); high != low {
			out = append(out, high)
		}
	}
	return out, nil
}

// boundary adds the neighbours of every constant and the bits of every mask,
// each of which is in some class already: points for the eye, and a second net
// should the classes be wrong.
func boundary(tests []test, points []uint32) []uint32 {
	for _, t := range tests {
		points = append(points, t.k, t.k-1, t.k+1)
		if bits.OnesCount32(t.mask) < 32 {
			for m := t.mask; m != 0; m &= m - 1 {
				points = append(points, t.k^(m&-m))
			}
			points = append(points, ^t.mask, ^t.mask|t.k)
		}
	}
	return distinctWords(points)
}

func distinctWords(in []uint32) []uint32 {
	seen := make(map[uint32]bool, len(in))
	var out []uint32
	for _, v := range in {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}
