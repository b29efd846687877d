package testsum

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strings"
)

// A Required is a line of the list of tests that must run where they can: a
// package below the module's name, and a pattern (path.Match) for its tests.
//
//	internal/bus TestPermit*
type Required struct {
	Package, Pattern string
	Line             int
}

// ReadRequired reads such a list. Empty lines and what follows a # are ignored.
func ReadRequired(r io.Reader) ([]Required, error) {
	var list []Required
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d: %q: want a package and a test", n, strings.TrimSpace(text))
		}
		if _, err := path.Match(fields[1], ""); err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", n, fields[1], err)
		}
		list = append(list, Required{fields[0], fields[1], n})
	}
	return list, lines.Err()
}

func (q Required) covers(module string, n Name) bool {
	top, _, _ := strings.Cut(n.Test, "/")
	n.Package, _, _ = strings.Cut(n.Package, " [") // of every build
	matched, _ := path.Match(q.Pattern, top)
	return matched && n.Package == module+"/"+q.Package
}

// Require turns into failures: every skipped test that the list names, and
// every line of the list that names no test of the run at all, so that a test
// cannot leave the list by being renamed or removed.
func (s *Sum) Require(module string, list []Required) {
	for _, q := range list {
		seen := false
		for _, n := range s.Passed {
			seen = seen || q.covers(module, n)
		}
		for _, r := range s.Failed {
			seen = seen || q.covers(module, r.Name) || r.Package == module+"/"+q.Package && r.Test == ""
		}
		var kept []Result
		for _, r := range s.Skipped {
			if !q.covers(module, r.Name) {
				kept = append(kept, r)
				continue
			}
			seen = true
			s.Failed = append(s.Failed, Result{r.Name, "required, but skipped: " + r.Reason() + "\n"})
		}
		s.Skipped = kept
		if !seen {
			name := Name{module + "/" + q.Package, q.Pattern}
			s.Failed = append(s.Failed, Result{name, fmt.Sprintf("required (line %d of the list), but no such test ran\n", q.Line)})
		}
	}
}
