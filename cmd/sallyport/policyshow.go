package main

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// lineWidth is where long columns are folded.
const lineWidth = 64

// listed is a profile in the list.
type listed struct {
	Profile    string `json:"profile"`
	Kind       string `json:"kind"` // profile or group
	Calls      int    `json:"calls"`
	StartCalls int    `json:"start_calls"`
	About      string `json:"about"`
}

func policyList(f *policyFlags) *cobra.Command {
	var arch string
	c := &cobra.Command{
		Use: "list", Short: "the built-in profiles and groups", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := architecture(arch)
			if err != nil {
				return err
			}
			t := lightTable(c.OutOrStdout(), table.Row{"profile", "kind", "calls", "at start", "for"})
			t.SetColumnConfigs([]table.ColumnConfig{{Number: 5, WidthMax: lineWidth, WidthMaxEnforcer: text.WrapSoft}})
			for _, name := range builtIn() {
				p, err := parseProfile(name)
				if err != nil {
					return err
				}
				always, start := p.Calls(a)
				l := listed{name, "profile", len(always), len(start), about(name)}
				if !slices.Contains(policy.Roles, name) {
					l.Kind = "group"
				}
				if f.asJSON {
					if err := printJSON(c.OutOrStdout(), l); err != nil {
						return err
					}
					continue
				}
				t.AppendRow(table.Row{l.Profile, l.Kind, l.Calls, l.StartCalls, l.About})
			}
			if !f.asJSON {
				t.Render()
			}
			return nil
		},
	}
	c.Flags().StringVar(&arch, "arch", "", "amd64, arm64 or arm (this machine's)")
	return c
}

// builtIn are all profiles, then all groups.
func builtIn() []string {
	out := slices.Clone(policy.Roles)
	files, _ := fs.Glob(policy.Files, "*"+seccomp.Extension) // the pattern is right
	for _, file := range files {
		if name := strings.TrimSuffix(file, seccomp.Extension); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// about is the first sentence of the comment that a file begins with.
func about(name string) string {
	text, err := fs.ReadFile(policy.Files, name+seccomp.Extension)
	if err != nil {
		return ""
	}
	var words []string
	for line := range strings.Lines(string(text)) {
		comment, found := strings.CutPrefix(line, "#")
		if !found {
			break
		}
		words = append(words, strings.Fields(comment)...)
	}
	said := strings.TrimPrefix(strings.Join(words, " "), name+": ")
	first, _, _ := strings.Cut(said, ". ")
	return strings.TrimSuffix(first, ".")
}

// shown is a line of a profile.
type shown struct {
	Profile string   `json:"profile"`
	Line    int      `json:"line"`
	Rule    string   `json:"rule"`
	Start   bool     `json:"start"`
	Archs   []string `json:"archs"`
	Reason  string   `json:"reason"`
}

func policyShow(f *policyFlags) *cobra.Command {
	var arch string
	var program bool
	c := &cobra.Command{
		Use: "show PROFILE", Short: "a profile with everything that it includes, or its compiled program", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := architecture(arch)
			if err != nil {
				return err
			}
			p, err := parseProfile(args[0])
			if err != nil {
				return err
			}
			if program {
				return f.showProgram(c, args[0], p, a)
			}
			t := lightTable(c.OutOrStdout(), table.Row{"line", "rule", "when", "reason"})
			t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: lineWidth, WidthMaxEnforcer: text.WrapSoft}, {Number: 4, WidthMax: lineWidth, WidthMaxEnforcer: text.WrapSoft}})
			for _, r := range p.Rows() {
				if arch != "" && !slices.Contains(r.Archs, a) {
					continue
				}
				row := shown{Profile: r.Profile, Line: r.Line, Rule: r.Rule, Start: r.Start, Reason: r.Reason}
				for _, a := range r.Archs {
					row.Archs = append(row.Archs, a.String())
				}
				if f.asJSON {
					if err := printJSON(c.OutOrStdout(), row); err != nil {
						return err
					}
					continue
				}
				var when []string
				if r.Start {
					when = append(when, "start")
				}
				if !r.Everywhere {
					when = append(when, strings.Join(row.Archs, " "))
				}
				t.AppendRow(table.Row{fmt.Sprintf("%s.policy:%d", row.Profile, row.Line), row.Rule, strings.Join(when, ", "), row.Reason})
			}
			if !f.asJSON {
				t.Render()
			}
			return nil
		},
	}
	c.Flags().StringVar(&arch, "arch", "", "only what holds on amd64, arm64 or arm")
	c.Flags().BoolVar(&program, "program", false, "the listing of the compiled program")
	return c
}

func (f *policyFlags) showProgram(c *cobra.Command, profile string, p *seccomp.Profile, a seccomp.Arch) error {
	vars, err := f.variables(p)
	if err != nil {
		return err
	}
	answers, err := compileProfile(c.Context(), profile, withDefaults(p, vars), a)
	if err != nil {
		return err
	}
	if answers[0].Error != "" {
		return exit{exitConfiguration, answers[0].Error}
	}
	program := seccomp.NewProgram(a, p.Name, answers[0].BPF)
	if f.asJSON {
		return printJSON(c.OutOrStdout(), map[string]any{"profile": p.Name, "arch": a.String(), "sha256": fmt.Sprintf("%x", program.Hash),
			"instructions": strings.Split(strings.TrimSpace(program.Listing()), "\n")})
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s; sha256 %x of %d instructions for %s\n", program.Listing(), program.Hash, len(program.BPF)/8, a)
	return err
}
