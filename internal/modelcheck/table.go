package modelcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Safety is the goal of a run that looks at every assertion and for states
// that have no way out.
const Safety = "safety"

// Run is one configuration of the model. Goals are Safety or the names of
// properties over time; each goal is a search of its own.
type Run struct {
	Name     string
	Goals    []string
	Switches []string // NAME or NAME=VALUE, of the preprocessor
	Quick    bool
}

// Mutant is the model with one thing broken.
type Mutant struct {
	Name     string // its switch
	Run      string // the run that it is tried in
	Property string // what must break, and nothing else before it
	What     string
}

// rows reads a table: a row a line, fields between bars, "#" before comments.
func rows(name string, fields int) ([][]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var all [][]string
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		row := strings.Split(line, "|")
		if len(row) != fields {
			return nil, fmt.Errorf("%s:%d: %d fields, want %d", name, n+1, len(row), fields)
		}
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		all = append(all, row)
	}
	return all, nil
}

// ReadRuns reads runs.txt of the folder.
func ReadRuns(dir string) ([]Run, error) {
	table, err := rows(filepath.Join(dir, "runs.txt"), 4)
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, row := range table {
		r := Run{Name: row[0], Goals: strings.Fields(row[1]), Switches: strings.Fields(row[2]), Quick: row[3] == "q"}
		if len(r.Goals) == 0 || slices.ContainsFunc(runs, func(o Run) bool { return o.Name == r.Name }) {
			return nil, fmt.Errorf("runs.txt: %s: no goal, or a second run of this name", r.Name)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// ReadMutants reads mutants.txt of the folder; each must be of a run there is.
func ReadMutants(dir string, runs []Run) ([]Mutant, error) {
	table, err := rows(filepath.Join(dir, "mutants.txt"), 4)
	if err != nil {
		return nil, err
	}
	var mutants []Mutant
	for _, row := range table {
		m := Mutant{Name: row[0], Run: row[1], Property: row[2], What: row[3]}
		if _, found := runNamed(runs, m.Run); !found {
			return nil, fmt.Errorf("mutants.txt: %s: no run is called %q", m.Name, m.Run)
		}
		if slices.ContainsFunc(mutants, func(o Mutant) bool { return o.Name == m.Name }) {
			return nil, fmt.Errorf("mutants.txt: %s is there twice", m.Name)
		}
		mutants = append(mutants, m)
	}
	return mutants, nil
}

func runNamed(runs []Run, name string) (Run, bool) {
	i := slices.IndexFunc(runs, func(r Run) bool { return r.Name == name })
	if i < 0 {
		return Run{}, false
	}
	return runs[i], true
}
