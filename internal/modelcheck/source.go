package modelcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Source is the text of a model: *.pml and *.inc of one folder.
type Source struct {
	Dir        string
	Labels     map[string]string // label -> the proctype that it stands in
	Mutants    []string          // switches that the text asks for
	Properties []string          // names that assertions carry, and those of ltl
	Overtime   []string          // those of ltl
	lines      map[string][]string
	shared     map[place]bool // lines of inlines: one text, many places
}

// place is a line of the model, under the file's base name.
type place struct {
	file string
	line int
}

var (
	labelLine    = regexp.MustCompile(`^([PW][0-9]+):`)
	proctypeLine = regexp.MustCompile(`^proctype (\w+)`)
	mutantLine   = regexp.MustCompile(`^#ifn?def (MUT_\w+)`)
	nameInAssert = regexp.MustCompile(`assert\(([a-z_]+)(?: \|\||\))`)
	ltlLine      = regexp.MustCompile(`^ltl (\w+)`)
)

// ReadSource reads the model of a folder.
func ReadSource(dir string) (*Source, error) {
	s := &Source{Dir: dir, Labels: map[string]string{}, lines: map[string][]string{}, shared: map[place]bool{}}
	var names []string
	for _, pattern := range []string{"*.pml", "*.inc"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no model", dir)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := s.add(filepath.Base(name), strings.Split(string(text), "\n")); err != nil {
			return nil, err
		}
	}
	for _, list := range []*[]string{&s.Mutants, &s.Properties, &s.Overtime} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return s, nil
}

func (s *Source) add(file string, lines []string) error {
	s.lines[file] = lines
	proctype, inline := "", false
	for n, line := range lines {
		if m := proctypeLine.FindStringSubmatch(line); m != nil {
			proctype = m[1]
		}
		inline = inline && line != "}" || strings.HasPrefix(line, "inline ")
		s.shared[place{file, n + 1}] = inline
		if m := labelLine.FindStringSubmatch(line); m != nil {
			if s.Labels[m[1]] != "" {
				return fmt.Errorf("%s:%d: label %s is there twice", file, n+1, m[1])
			}
			s.Labels[m[1]] = proctype
		}
		if m := mutantLine.FindStringSubmatch(line); m != nil {
			s.Mutants = append(s.Mutants, m[1])
		}
		for _, m := range nameInAssert.FindAllStringSubmatch(line, -1) {
			if m[1] != "killed_here" {
				s.Properties = append(s.Properties, m[1])
			}
		}
		if m := ltlLine.FindStringSubmatch(line); m != nil {
			s.Properties = append(s.Properties, m[1])
			s.Overtime = append(s.Overtime, m[1])
		}
	}
	return nil
}

// text is the line itself, without blanks around it.
func (s *Source) text(p place) string {
	lines := s.lines[p.file]
	if p.line < 1 || p.line > len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[p.line-1])
}

// mayStay says that a line is there in order not to be reached: it is the
// complaint of a property.
func (s *Source) mayStay(p place) bool {
	return s.shared[p] || strings.Contains(s.text(p), "assert(")
}
