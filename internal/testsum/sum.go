package testsum

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// maxOutput bounds the output kept of one test; a test that prints more keeps
// its last lines.
const maxOutput = 64 << 10

// Name says which test: the import path of its package, and its name, empty
// when the package as a whole is meant.
type Name struct{ Package, Test string }

func (n Name) String() string {
	if n.Test == "" {
		return n.Package
	}
	return n.Package + " " + n.Test
}

// Result is a test that did not pass, and what it printed.
type Result struct {
	Name
	Output string
}

// Reason is the last line the test printed, without its file and line: for a
// skip, the text given to Skip.
func (r Result) Reason() string {
	reason := ""
	for line := range strings.Lines(r.Output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "=== ") {
			continue
		}
		reason = line
	}
	if _, text, found := strings.Cut(reason, ".go:"); found {
		if _, text, found = strings.Cut(text, ": "); found {
			return text
		}
	}
	if reason == "" {
		return "no reason given"
	}
	return reason
}

// Sum is the outcome of a run.
type Sum struct {
	Passed  []Name
	Failed  []Result
	Skipped []Result
	Stray   []string // lines of the stream that were no events

	progress io.Writer
	open     map[Name]*running
	builds   map[string]*strings.Builder
}

type running struct {
	output            strings.Builder
	children, failing bool // it has subtests; one of them failed
}

type event struct {
	Action, Package, Test, Output, ImportPath, FailedBuild string
	Elapsed                                                float64
}

// Read takes the whole stream. One line per finished package goes to progress.
func Read(stream io.Reader, progress io.Writer) (*Sum, error) {
	s := &Sum{progress: progress, open: map[Name]*running{}, builds: map[string]*strings.Builder{}}
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				s.take(e)
			} else if text := strings.TrimSpace(string(line)); text != "" {
				s.Stray = append(s.Stray, text)
			}
		}
		switch {
		case err == io.EOF:
			s.unfinished()
			return s, nil
		case err != nil:
			return s, fmt.Errorf("read test events: %w", err)
		}
	}
}

// Join adds the outcome of another run. The tests of one that was built in
// another way are told apart by that: their packages get " [build]" appended.
func (s *Sum) Join(other *Sum, build string) {
	mark := func(n Name) Name {
		if build != "" {
			n.Package += " [" + build + "]"
		}
		return n
	}
	for _, n := range other.Passed {
		s.Passed = append(s.Passed, mark(n))
	}
	for _, r := range other.Failed {
		s.Failed = append(s.Failed, Result{mark(r.Name), r.Output})
	}
	for _, r := range other.Skipped {
		s.Skipped = append(s.Skipped, Result{mark(r.Name), r.Output})
	}
	s.Stray = append(s.Stray, other.Stray...)
}

func (s *Sum) take(e event) {
	name := Name{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		if s.builds[e.ImportPath] == nil {
			s.builds[e.ImportPath] = new(strings.Builder)
		}
		s.builds[e.ImportPath].WriteString(e.Output)
	case "run", "start":
		s.at(name)
	case "output":
		out := &s.at(name).output
		if out.Len() > maxOutput {
			kept := out.String()[out.Len()-maxOutput/2:]
			out.Reset()
			out.WriteString("[...]\n" + kept)
		}
		out.WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.FailedBuild != "" && s.builds[e.FailedBuild] != nil {
			s.at(name).output.WriteString(s.builds[e.FailedBuild].String())
		}
		s.end(name, e)
	}
}

// at is the state of a test, made at the first word about it; its parents are
// told that they have subtests.
func (s *Sum) at(name Name) *running {
	if r := s.open[name]; r != nil {
		return r
	}
	r := new(running)
	s.open[name] = r
	if i := strings.LastIndexByte(name.Test, '/'); i >= 0 {
		s.at(Name{name.Package, name.Test[:i]}).children = true
	}
	return r
}

func (s *Sum) end(name Name, e event) {
	r := s.at(name)
	delete(s.open, name)
	if name.Test == "" {
		s.endPackage(name, r, e)
		return
	}
	result := Result{name, r.output.String()}
	switch {
	case e.Action == "fail" && !(r.children && r.failing):
		s.Failed = append(s.Failed, result)
	case e.Action == "skip" && !r.children:
		s.Skipped = append(s.Skipped, result)
	case e.Action == "pass" && !r.children:
		s.Passed = append(s.Passed, name)
	}
	if i := strings.LastIndexByte(name.Test, '/'); i >= 0 && e.Action == "fail" {
		s.at(Name{name.Package, name.Test[:i]}).failing = true
	}
}

func (s *Sum) endPackage(name Name, r *running, e event) {
	in := func(n Name) bool { return n.Package == name.Package }
	failed := func(r Result) bool { return in(r.Name) }
	if e.Action == "fail" {
		// A panic or a time-out ends the program while tests are running.
		for test, left := range s.open {
			if in(test) {
				delete(s.open, test)
				if !left.children {
					s.Failed = append(s.Failed, Result{test, left.output.String()})
				}
			}
		}
		if !slices.ContainsFunc(s.Failed, failed) {
			s.Failed = append(s.Failed, Result{name, r.output.String()})
		}
	}
	if e.Action == "skip" {
		return // no test files
	}
	verdict := map[string]string{"pass": "ok  ", "fail": "FAIL"}[e.Action]
	took := time.Duration(e.Elapsed * float64(time.Second)).Round(100 * time.Millisecond)
	fmt.Fprintf(s.progress, "%s  %-44s %6s\n", verdict, name.Package, took)
}

// unfinished counts what the stream did not end: its writer was killed.
func (s *Sum) unfinished() {
	for name, r := range s.open {
		if !r.children {
			s.Failed = append(s.Failed, Result{name, r.output.String() + "no result: the run ended before this test did\n"})
		}
	}
	clear(s.open)
}
