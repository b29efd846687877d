package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// maxProblems is how many problems are kept; a file with more has one cause.
const maxProblems = 100

// Pos is a place in the file; lines and columns count from 1.
type Pos struct {
	File      string
	Line, Col int
}

// String is "file:line", as messages about a running system name a block.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Problem is one fault of a file.
type Problem struct {
	Pos
	Block  string // `worker "sampler"`; "" outside of blocks
	Source string // the line at Pos, cut and made printable
	What   string
	Why    string // may be ""
	Fix    string // may be ""
}

// Error is the problem on several lines:
//
//	sensor-logger.hcl:31:3: worker "sampler": there is no attribute "polcy"
//	   31 |   polcy = "sensor-read"
//	      |   ^
//	  why: ...
//	  fix: did you mean "policy"?
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Pos.String())
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Col)
	}
	b.WriteString(": ")
	if p.Block != "" {
		b.WriteString(p.Block + ": ")
	}
	b.WriteString(p.What)
	if p.Line > 0 {
		fmt.Fprintf(&b, "\n%5d | %s", p.Line, p.Source)
		if p.Col > 0 && p.Col <= len(p.Source) {
			fmt.Fprintf(&b, "\n      | %s^", strings.Repeat(" ", p.Col-1))
		}
	}
	if p.Why != "" {
		b.WriteString("\n  why: " + p.Why)
	}
	if p.Fix != "" {
		b.WriteString("\n  fix: " + p.Fix)
	}
	return b.String()
}

// Problems is what Parse and Load return for a file that cannot be used; it is
// in the order of the file.
type Problems []Problem

// Error is every problem, with an empty line between two of them.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n\n")
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	return ps
}

// printable cuts a source line to 120 characters and replaces what a terminal
// would act on.
func printable(line string) string {
	var b strings.Builder
	n := 0
	for _, r := range line {
		if n++; n > 120 {
			b.WriteString("...")
			break
		}
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteByte('?')
		}
	}
	return strings.TrimRight(b.String(), " ")
}
