package explain

import (
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed codes.md
var source string

// Page is what there is to say about a code. Exit is the exit code of the
// command that ends with it.
type Page struct {
	Code, Title, Text string
	Exit              int
}

var exitLine = regexp.MustCompile(`(?m)^Exit code (\d+)\.$`)

// Pages returns all of them, in the order of their codes.
func Pages() []Page {
	var all []Page
	for _, part := range strings.Split("\n"+source, "\n## ")[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		code, title, _ := strings.Cut(heading, " ")
		p := Page{Code: code, Title: title, Text: strings.TrimSpace(text)}
		if m := exitLine.FindStringSubmatch(text); m != nil {
			p.Exit, _ = strconv.Atoi(m[1]) // digits
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Page) int { return strings.Compare(a.Code, b.Code) })
	return all
}

// Find returns the page of a code, whose letters may be small.
func Find(code string) (Page, bool) {
	for _, p := range Pages() {
		if strings.EqualFold(p.Code, code) {
			return p, true
		}
	}
	return Page{}, false
}
