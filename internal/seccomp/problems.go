package seccomp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Pos is a place in a profile: lines and columns count from 1, columns in bytes.
type Pos struct {
	File      string
	Line, Col int
}

func (p Pos) String() string {
	switch {
	case p.File == "":
		return "-"
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Problem is one mistake in a profile: where, what, why it is one, and what to
// do about it. Why and Fix may be empty.
type Problem struct {
	Pos            Pos
	What, Why, Fix string
}

func (p Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", p.Pos, p.What)
	if p.Why != "" {
		fmt.Fprintf(&b, ": %s", p.Why)
	}
	if p.Fix != "" {
		fmt.Fprintf(&b, "; %s", p.Fix)
	}
	return b.String()
}

// Problems is every mistake that was found, one a line.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// maxProblems ends the reading of a file that is no profile at all.
const maxProblems = 50

func (p *Problems) add(pos Pos, why, fix, format string, args ...any) {
	if len(*p) < maxProblems {
		*p = append(*p, Problem{pos, fmt.Sprintf(format, args...), why, fix})
	}
}

// err is the problems in the order of the text, or nil.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		if c := strings.Compare(a.Pos.File, b.Pos.File); c != 0 {
			return c
		}
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
	return p
}

// suggest words a did-you-mean for a name that is close to one of the known
// ones, or returns "".
func suggest(name string, known []string) string {
	best, distance := "", 1+len(name)/3
	slices.Sort(known)
	for _, k := range known {
		if d := levenshtein.Distance(name, k, nil); d < distance || d == distance && best == "" {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// quote shows foreign text on one line, cut at 40 bytes.
func quote(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%q...", s[:40])
	}
	return fmt.Sprintf("%q", s)
}
