package modelcheck

import (
	"fmt"
	"slices"
	"strings"
)

func (c *Check) judgeRuns(source *Source, searches []*job) {
	fmt.Fprintf(c.Out, "%-15s %-16s %12s %8s %9s  %s\n", "run", "goal", "states", "MB", "seconds", "result")
	var states int64
	var outcomes []Outcome
	held := map[string]bool{}
	for _, j := range searches {
		<-j.done
		o, result := j.outcome, "holds"
		switch {
		case j.err != nil:
			result = "FAILED"
			c.bad("%s, %s: %v", j.search.Name, j.search.Goal, j.err)
		case o.Broken != "":
			result = "BROKEN: " + o.Broken
			c.bad("%s, %s: %s does not hold", j.search.Name, j.search.Goal, o.Broken)
		case !o.Complete:
			result = "NOT COMPLETE"
			c.bad("%s, %s: the search is not complete", j.search.Name, j.search.Goal)
		default:
			states += o.States
			outcomes = append(outcomes, o)
			held[j.search.Goal] = true
		}
		fmt.Fprintf(c.Out, "%-15s %-16s %12d %8.0f %9.1f  %s\n", j.search.Name, j.search.Goal, o.States, o.MegaBytes, o.Seconds, result)
	}
	if states < LeastStates {
		c.bad("%d states, want at least %d", states, LeastStates)
	}
	idle := c.idle(source, outcomes)
	asserted := len(source.Properties) - len(source.Overtime)
	fmt.Fprintf(c.Out, "%d searches, %d states, all complete; %d properties of states and %d over time hold; lines never reached: %d\n\n",
		len(outcomes), states, asserted, len(source.Overtime), idle)
}

// idle counts the lines of processes that no run of all reached: what is said
// about them would be said of nothing.
func (c *Check) idle(source *Source, outcomes []Outcome) int {
	if len(outcomes) == 0 {
		return 0
	}
	count := 0
	for proctype, lines := range outcomes[0].unreached {
		for p := range lines {
			everywhere := !slices.ContainsFunc(outcomes, func(o Outcome) bool { return !o.unreached[proctype][p] })
			if everywhere && !source.mayStay(p) {
				count++
				c.bad("%s:%d: no run reaches %q", p.file, p.line, source.text(p))
			}
		}
	}
	return count
}

func (c *Check) judgeMutants(mutants []Mutant, tried []*job) {
	fmt.Fprintf(c.Out, "%-25s %-22s %-15s %s\n", "mutant", "breaks", "in run", "what is broken")
	caught := 0
	for i, j := range tried {
		<-j.done
		m, broken := mutants[i], j.outcome.Broken
		switch {
		case j.err != nil:
			broken = "FAILED"
			c.bad("%s: %v", m.Name, j.err)
		case broken == "":
			broken = "NOTHING"
			c.bad("%s is not caught: %s holds", m.Name, m.Property)
		case broken != m.Property:
			c.bad("%s breaks %s, want %s", m.Name, broken, m.Property)
		default:
			caught++
		}
		fmt.Fprintf(c.Out, "%-25s %-22s %-15s %s\n", m.Name, broken, m.Run, m.What)
	}
	fmt.Fprintf(c.Out, "%d mutants, %d caught\n\n", len(mutants), caught)
}

func (c *Check) judgeProbes(labels []string, probes []*job) {
	var hit []string
	for i, j := range probes {
		<-j.done
		switch {
		case j.err != nil:
			c.bad("kill at %s: %v", labels[i], j.err)
		case j.outcome.Broken != "killed_here":
			c.bad("no kill at %s was found: %q", labels[i], j.outcome.Broken)
		default:
			hit = append(hit, labels[i])
		}
	}
	fmt.Fprintf(c.Out, "killed at %d labels of %d: %s\n", len(hit), len(labels), strings.Join(hit, " "))
}
