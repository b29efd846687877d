package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/install"
	"sallyport/internal/seccomp"
)

// explained is an explanation as --json prints it.
type explained struct {
	Call     string              `json:"call"`
	Arch     string              `json:"arch"`
	Nr       int32               `json:"nr"`
	Profile  string              `json:"profile"`
	Supposed map[string][]uint64 `json:"supposed"` // variables that were filled in
	Outcomes []explainedOutcome  `json:"outcomes"`
	Lines    []explainedLine     `json:"lines"`
}

type explainedOutcome struct {
	When    string   `json:"when"`
	Example string   `json:"example"`
	Phases  phases   `json:"phases"`
	Trace   []string `json:"trace"` // instructions of the compiled program; null without a supervisor
	Filter  string   `json:"filter"`
}

type phases struct {
	Launching decided `json:"launching"`
	Starting  decided `json:"starting"`
	Running   decided `json:"running"`
}

type explainedLine struct {
	Profile string `json:"profile"`
	Line    int    `json:"line"`
	Rule    string `json:"rule"`
	Start   bool   `json:"start"`
	Says    string `json:"says"`
}

func policyExplain(f *policyFlags) *cobra.Command {
	var arch string
	c := &cobra.Command{
		Use: "explain PROFILE CALL", Short: "what becomes of a call in each phase, which line decides, and the way through the program",
		Long: "CALL is written as in a manual: 'msgrcv(7,_,_,-5)'. An argument that is _ or missing may be\n" +
			"anything. Variables that are not --set have the call's own values, so that a queue id is\n" +
			"taken for one of the worker's.",
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := architecture(arch)
			if err != nil {
				return err
			}
			e, err := f.explain(c, args[0], args[1], a)
			if err != nil {
				return err
			}
			if f.asJSON {
				return printJSON(c.OutOrStdout(), e)
			}
			return e.show(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&arch, "arch", "", "amd64, arm64 or arm (this machine's)")
	return c
}

func (f *policyFlags) explain(c *cobra.Command, profile, text string, a seccomp.Arch) (*explained, error) {
	p, err := parseProfile(profile)
	if err != nil {
		return nil, err
	}
	given, err := f.variables(p)
	if err != nil {
		return nil, err
	}
	call, err := seccomp.ParseCall(text, a)
	if err != nil {
		return nil, exit{exitUsage, err.Error()}
	}
	vars, supposed := p.Supposed(call, given)
	bound, err := p.Bind(a, vars)
	if err != nil {
		return nil, mistakes(err)
	}
	found, err := bound.Explain(call)
	if err != nil {
		return nil, err
	}
	program, err := f.programFor(c, profile, vars, a)
	if err != nil {
		return nil, err
	}
	out := &explained{Call: found.Call, Arch: a.String(), Nr: int32(found.Nr), Profile: p.Name, Supposed: supposed, Lines: []explainedLine{}}
	for _, o := range found.Outcomes {
		one := explainedOutcome{When: o.When, Example: seccomp.Describe(a, found.Nr, o.Example), Filter: bound.Filter(found.Nr, o.Example).String(),
			Phases: phases{decidedBy(o.Decisions[0]), decidedBy(o.Decisions[1]), decidedBy(o.Decisions[2])}}
		if program != nil {
			verdict := seccomp.FilterVerdict(0)
			if one.Trace, verdict, err = program.Trace(found.Nr, o.Example); err != nil {
				return nil, err
			}
			one.Filter = verdict.String()
		}
		out.Outcomes = append(out.Outcomes, one)
	}
	for _, l := range found.Lines {
		out.Lines = append(out.Lines, explainedLine{l.Profile, l.Line, l.Rule, l.Start, l.Says})
	}
	return out, nil
}

// programFor is the compiled program, or nil where no supervisor is installed.
func (f *policyFlags) programFor(c *cobra.Command, profile string, vars seccomp.Vars, a seccomp.Arch) (*seccomp.Program, error) {
	if _, err := install.Find(); err != nil {
		return nil, nil
	}
	answers, err := compileProfile(c.Context(), profile, vars, a)
	if err != nil {
		return nil, err
	}
	if answers[0].Error != "" {
		return nil, exit{exitConfiguration, answers[0].Error}
	}
	return seccomp.NewProgram(a, profile, answers[0].BPF), nil
}

func (e *explained) show(out io.Writer) error {
	fmt.Fprintf(out, "%s on %s is call %d\n", e.Call, e.Arch, e.Nr)
	for _, name := range slices.Sorted(maps.Keys(e.Supposed)) {
		fmt.Fprintf(out, "supposed: $%s is %s (--set %s=... for others)\n", name, seccomp.Values(e.Supposed[name]), name)
	}
	fmt.Fprintln(out)
	t := lightTable(out, table.Row{"arguments", "phase", "verdict", "line", "rule"})
	for _, o := range e.Outcomes {
		when := o.When
		if when == "" {
			when = "any"
		}
		for i, d := range []decided{o.Phases.Launching, o.Phases.Starting, o.Phases.Running} {
			t.AppendRow(table.Row{when, seccomp.Phases[i], d.words(), d.where(), d.Rule})
			when = ""
		}
	}
	t.Render()
	if len(e.Lines) == 0 {
		fmt.Fprintf(out, "\nno line of %s names it\n", e.Profile)
	} else {
		fmt.Fprintln(out)
		t = lightTable(out, table.Row{"asked in order", "rule", "says"})
		for _, l := range e.Lines {
			where := fmt.Sprintf("%s.policy:%d", l.Profile, l.Line)
			if l.Start {
				where += " (start)"
			}
			t.AppendRow(table.Row{where, l.Rule, l.Says})
		}
		t.Render()
	}
	for _, o := range e.Outcomes {
		if o.Trace != nil {
			fmt.Fprintf(out, "\nthe filter on %s: %s\n%s\n", o.Example, o.Filter, strings.Join(o.Trace, "\n"))
		}
	}
	return nil
}
