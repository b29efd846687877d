package scmrights_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestConformanceDocument: docs/conformance-scmrights.md names every case of
// every list once, says "implemented" of those that are here and no others, and
// counts them rightly.
func TestConformanceDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/conformance-scmrights.md")
	must(t, err)
	here := map[string][]string{
		"gVisor":   append(names(gvisorCases), names(gvisorCredsCases)...),
		"sandbox2": names(sandbox2Cases),
		"FreeBSD":  names(freebsdCases),
		"OpenBSD":  {"unfdpassfail"},
		"Linux":    nil,
	}
	for graph := range selftestCases {
		for variant := range selftestVariants {
			if !strings.HasPrefix(variant, "seqpacket") { // ours
				here["Linux"] = append(here["Linux"], graph+" "+variant)
			}
		}
	}
	intro, sections, _ := strings.Cut(string(b), "\n## ")
	seen := 0
	for _, section := range strings.Split(sections, "\n## ") {
		list, _, _ := strings.Cut(section, ":")
		rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (implemented|not applicable) \\| (.+) \\|$").FindAllStringSubmatch(section, -1)
		var implemented, named []string
		for _, row := range rows {
			named = append(named, row[1])
			if row[2] == "implemented" {
				implemented = append(implemented, row[1])
			}
		}
		slices.Sort(implemented)
		slices.Sort(named)
		want, found := here[list]
		slices.Sort(want)
		if !found || !slices.Equal(implemented, want) {
			t.Errorf("%s: the document says implemented of\n%q\nhere are\n%q", list, implemented, want)
		}
		if len(slices.Compact(slices.Clone(named))) != len(named) {
			t.Errorf("%s: a case is named twice", list)
		}
		count := "| " + strings.Join([]string{list, strconv.Itoa(len(named)), strconv.Itoa(len(implemented)), strconv.Itoa(len(named) - len(implemented))}, " | ") + " |"
		if !strings.Contains(intro, count) {
			t.Errorf("the count of %s is not %q", list, count)
		}
		seen++
	}
	if seen != len(here) {
		t.Errorf("%d lists in the document, %d here", seen, len(here))
	}
}

func names[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }
