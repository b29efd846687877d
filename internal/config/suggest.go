package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// maxSuggestFrom bounds the work: a suggestion costs a comparison with every name.
const maxSuggestFrom = 1000

// nearest returns the known name that word was most likely meant to be, or "".
func nearest(word string, known []string) string {
	if word == "" || len(word) > 64 || len(known) > maxSuggestFrom {
		return ""
	}
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(word), strings.ToLower(k), nil); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// didYouMean is the fix for an unknown name: the nearest one, or all of them
// when none is near and they are few.
func didYouMean(word string, known []string, noun string) string {
	if s := nearest(word, known); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	if len(known) == 0 || len(known) > 24 {
		return ""
	}
	names := slices.Sorted(slices.Values(known))
	if len(names) == 1 {
		return fmt.Sprintf("the only %s is %q", noun, names[0])
	}
	if stem, y := strings.CutSuffix(noun, "y"); y {
		noun = stem + "ie"
	}
	return fmt.Sprintf("%ss are: %s", noun, strings.Join(names, ", "))
}
