package modelcheck

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// LeastStates and LeastMutants are what a full check must come to.
const (
	LeastStates  = 1000000
	LeastMutants = 15
)

// probeRuns are the configurations in which a kill is looked for at each label.
var probeRuns = []string{"ND=1", "EXCLM=1", "EPOCHS=1", "CUTS=0", "REFUSALS=0", "RELEASES=0"}

// Check is one check of a model: all runs, or the quick ones, all mutants, all
// labels. Everything that is wrong is a line in Bad.
type Check struct {
	Model   string // the model's folder
	Scratch string // where verifiers are built
	Quick   bool
	Jobs    int // searches at the same time
	Out     io.Writer
	Bad     []string

	mu    sync.Mutex
	built map[string]func() (string, error) // verifier -> its folder
}

type job struct {
	search  Search
	outcome Outcome
	err     error
	done    chan struct{}
}

// Run does it. The error is of the surroundings: no model, no spin.
func (c *Check) Run(ctx context.Context) error {
	source, err := ReadSource(c.Model)
	if err != nil {
		return err
	}
	runs, err := ReadRuns(c.Model)
	if err != nil {
		return err
	}
	mutants, err := ReadMutants(c.Model, runs)
	if err != nil {
		return err
	}
	c.tables(source, runs, mutants)
	var searches, tried, probes []*job
	for _, r := range runs {
		if c.Quick && !r.Quick {
			continue
		}
		for _, goal := range r.Goals {
			searches = append(searches, newJob(Search{Name: r.Name, Goal: goal, Switches: r.Switches, Long: true}))
		}
	}
	for _, m := range mutants {
		r, _ := runNamed(runs, m.Run)
		goal := Safety
		if slices.Contains(source.Overtime, m.Property) {
			goal = m.Property
		}
		tried = append(tried, newJob(Search{Name: m.Name, Goal: goal, Switches: append(slices.Clone(r.Switches), m.Name)}))
	}
	labels := slices.SortedFunc(maps.Keys(source.Labels), byLabel)
	for _, l := range labels {
		probes = append(probes, newJob(probe(l, source.Labels[l])))
	}
	wait := c.start(ctx, slices.Concat(searches, tried, probes))
	defer wait()
	c.judgeRuns(source, searches)
	c.judgeMutants(mutants, tried)
	c.judgeProbes(labels, probes)
	return ctx.Err()
}

func newJob(s Search) *job { return &job{search: s, done: make(chan struct{})} }

// probe looks for a state in which the process of the label was killed there.
// P stands for the parent's side, W for the worker's.
func probe(label, proctype string) Search {
	side := "KILLED_PARENT"
	if label[0] == 'W' {
		side = "KILLED_WORKER"
	}
	return Search{
		Name: label, Goal: Safety, Whole: true,
		Switches: append(slices.Clone(probeRuns), side+"="+proctype+"@"+label),
	}
}

func byLabel(a, b string) int {
	if a[0] != b[0] || len(a) == len(b) {
		return strings.Compare(a, b)
	}
	return len(a) - len(b)
}

func (c *Check) bad(format string, args ...any) {
	c.Bad = append(c.Bad, fmt.Sprintf(format, args...))
}

// tables: a mutant or a property that only one side knows is never tried.
func (c *Check) tables(source *Source, runs []Run, mutants []Mutant) {
	listed, broken := map[string]bool{}, map[string]bool{}
	for _, m := range mutants {
		listed[m.Name], broken[m.Property] = true, true
		if !slices.Contains(source.Mutants, m.Name) {
			c.bad("%s is not in the model", m.Name)
		}
		if m.Property != NoWayOut && !slices.Contains(source.Properties, m.Property) {
			c.bad("%s: the model has no property %s", m.Name, m.Property)
		}
	}
	for _, name := range source.Mutants {
		if !listed[name] {
			c.bad("%s is not in mutants.txt", name)
		}
	}
	if len(mutants) < LeastMutants {
		c.bad("%d mutants, want at least %d", len(mutants), LeastMutants)
	}
	for _, name := range source.Overtime {
		if !slices.ContainsFunc(runs, func(r Run) bool { return slices.Contains(r.Goals, name) }) {
			c.bad("no run looks for %s", name)
		}
	}
	for _, name := range source.Properties {
		if !broken[name] {
			c.bad("no mutant breaks %s", name)
		}
	}
}

// start works the jobs off, in their order, c.Jobs at a time.
func (c *Check) start(ctx context.Context, jobs []*job) (wait func()) {
	next := make(chan *job)
	var group sync.WaitGroup
	for range max(c.Jobs, 1) {
		group.Go(func() {
			for j := range next {
				var dir string
				if dir, j.err = c.build(ctx, &j.search); j.err == nil {
					j.outcome, j.err = j.search.do(ctx, dir)
				}
				close(j.done)
			}
		})
	}
	group.Go(func() {
		for _, j := range jobs {
			next <- j
		}
		close(next)
	})
	return group.Wait
}

// build makes the verifier of a search, once.
func (c *Check) build(ctx context.Context, s *Search) (string, error) {
	c.mu.Lock()
	if c.built == nil {
		c.built = map[string]func() (string, error){}
	}
	build := c.built[s.verifier()]
	if build == nil {
		build = sync.OnceValues(func() (string, error) { return s.build(ctx, c.Model, c.Scratch) })
		c.built[s.verifier()] = build
	}
	c.mu.Unlock()
	return build()
}
