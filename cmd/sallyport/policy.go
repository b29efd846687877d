package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/seccomp"
	"sallyport/policy"
)

const policyHelp = `The system calls that workers may make.

A PROFILE is the name of a built-in one (sallyport policy list) or the path of a
file, with a slash in it (./mine.policy), which may include built-in groups and
files beside it.
docs/policies.md has the language.`

// policyFlags are the flags of every policy verb.
type policyFlags struct {
	asJSON bool
	set    []string
}

func policyCommand() *cobra.Command {
	f := &policyFlags{}
	c := &cobra.Command{
		Use: "policy", Short: "look at, check, compare and make the system call profiles of workers", Long: policyHelp,
		Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().BoolVar(&f.asJSON, "json", false, "one JSON object a line")
	c.PersistentFlags().StringArrayVar(&f.set, "set", nil, "value of a variable, as in send_queues=3,7 (repeated)")
	c.AddCommand(policyList(f), policyShow(f), policyCheck(f), policyExplain(f), policyDiff(f), policyExport(f), policyImport(f), policyLearn(f), policyTest(f))
	return c
}

// parseProfile reads a profile; its mistakes are exit code 3.
func parseProfile(profile string) (*seccomp.Profile, error) {
	name, files := source(profile)
	p, err := seccomp.Parse(name, files)
	return p, mistakes(err)
}

// source resolves a profile. Who looks at one need not own it.
func source(profile string) (name string, files fs.FS) {
	return policy.Source(profile, func(path string) ([]byte, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return io.ReadAll(io.LimitReader(file, maxImport))
	})
}

// mistakes puts what is wrong with a profile on standard error, a line each.
func mistakes(err error) error {
	var problems seccomp.Problems
	if errors.As(err, &problems) {
		return exit{exitConfiguration, strings.ReplaceAll(problems.Error(), "\n", "\nsallyport: ")}
	}
	return err
}

// variables are the values given by --set.
func (f *policyFlags) variables(p *seccomp.Profile) (seccomp.Vars, error) {
	v := make(seccomp.Vars)
	for _, set := range f.set {
		name, values, found := strings.Cut(strings.TrimPrefix(set, "$"), "=")
		if !found || !seccomp.IsVariable(name) {
			return nil, exit{exitUsage, fmt.Sprintf("--set %s: want NAME=VALUE,... of %s", set, strings.Join(p.Variables(), ", "))}
		}
		v[name] = []uint64{}
		for word := range strings.SplitSeq(values, ",") {
			if word == "" {
				continue
			}
			n, err := strconv.ParseUint(word, 0, 32)
			if err != nil {
				return nil, exit{exitUsage, fmt.Sprintf("--set %s: %q is no number of 32 bits", set, word)}
			}
			v[name] = append(v[name], n)
		}
	}
	return v, nil
}

// architecture is a --arch flag.
func architecture(name string) (seccomp.Arch, error) {
	if name == "" {
		if a := seccomp.Native(); a != 0 {
			return a, nil
		}
	}
	a, err := seccomp.ParseArch(name)
	if err != nil {
		return 0, exit{exitUsage, "--arch: " + err.Error()}
	}
	return a, nil
}

// decided is a decision in the words of the command.
type decided struct {
	Verdict string `json:"verdict"` // allow, errno, continue, breach, kill
	Errno   string `json:"errno,omitempty"`
	Profile string `json:"profile,omitempty"` // or group, whose line decides or comes nearest
	Line    int    `json:"line,omitempty"`
	Rule    string `json:"rule,omitempty"`
}

func decidedBy(d seccomp.Decision) decided {
	out := decided{Verdict: d.Action.String(), Line: d.Line, Rule: d.Rule}
	if d.Action == seccomp.Errno {
		out.Errno = seccomp.ErrnoName(d.Errno)
	}
	if d.Line > 0 {
		out.Profile = d.Profile
	}
	return out
}

func (d decided) words() string {
	if d.Errno != "" {
		return d.Verdict + " " + d.Errno
	}
	return d.Verdict
}

// where is the line, as an editor takes it.
func (d decided) where() string {
	if d.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s.policy:%d", d.Profile, d.Line)
}
