package testsum

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report writes the output of every failed test, every reason for a skip with
// the tests that gave it, and as its last line exactly
//
//	N passed, N failed, N skipped
func (s *Sum) Report(w io.Writer) {
	slices.SortFunc(s.Failed, byName)
	slices.SortFunc(s.Skipped, byName)
	for _, line := range s.Stray {
		fmt.Fprintln(w, line)
	}
	for _, f := range s.Failed {
		fmt.Fprintf(w, "\nFAILED %s\n", f.Name)
		for line := range strings.Lines(f.Output) {
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
	if len(s.Skipped) > 0 {
		fmt.Fprintln(w, "\nskipped:")
	}
	for _, reason := range s.reasons() {
		var tests []string
		for _, r := range s.Skipped {
			if r.Reason() == reason {
				tests = append(tests, r.String())
			}
		}
		fmt.Fprintf(w, "  %s (%d)\n", reason, len(tests))
		for _, t := range tests {
			fmt.Fprintf(w, "      %s\n", t)
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", len(s.Passed), len(s.Failed), len(s.Skipped))
}

// OK says whether the run is a success: at least one test passed, none failed.
func (s *Sum) OK() bool { return len(s.Failed) == 0 && len(s.Passed) > 0 }

func (s *Sum) reasons() []string {
	var reasons []string
	for _, r := range s.Skipped {
		reasons = append(reasons, r.Reason())
	}
	slices.Sort(reasons)
	return slices.Compact(reasons)
}

func byName(a, b Result) int {
	return cmp.Or(strings.Compare(a.Package, b.Package), strings.Compare(a.Test, b.Test))
}
