package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/install"
	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// compiled is what `supervisor -compile` answers for one architecture.
type compiled struct {
	Arch      string `json:"arch"`
	BPF       []byte `json:"bpf"`
	CompileUS int64  `json:"compile_us"`
	VerifyUS  int64  `json:"verify_us"`
	Error     string `json:"error"`
}

// compileProfile lets the supervisor, which alone is linked with libseccomp,
// compile a profile and verify the program.
func compileProfile(ctx context.Context, profile string, vars seccomp.Vars, archs ...seccomp.Arch) ([]compiled, error) {
	programs, err := install.Find()
	if err != nil {
		return nil, err
	}
	name, files := source(profile)
	texts, err := textsOf(name, files)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, a := range archs {
		names = append(names, a.String())
	}
	request, err := json.Marshal(map[string]any{"profile": name, "files": texts, "archs": names, "vars": vars})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, programs.Supervisor(), "-compile")
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s -compile: %w\n%s", programs.Supervisor(), err, strings.TrimSpace(said.String()))
	}
	var answers []compiled
	for lines := json.NewDecoder(&out); ; {
		var one compiled
		if err := lines.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("answer of %s: %w", programs.Supervisor(), err)
		}
		answers = append(answers, one)
	}
	if len(answers) != len(archs) {
		return nil, fmt.Errorf("%s -compile gave %d programs for %d architectures", programs.Supervisor(), len(answers), len(archs))
	}
	return answers, nil
}

// textsOf gathers a profile's file and every file that it can include. The
// profile was read before, so its own file is there.
func textsOf(name string, files fs.FS) (map[string]string, error) {
	texts := make(map[string]string)
	todo := []string{name}
	for len(todo) > 0 {
		file := todo[0] + seccomp.Extension
		todo = todo[1:]
		if _, done := texts[file]; done {
			continue
		}
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, err
		}
		texts[file] = string(text)
		todo = append(todo, seccomp.Includes(string(text))...)
	}
	return texts, nil
}

// withDefaults binds what the user did not: to values that stand for a worker's
// own lanes and sizes.
func withDefaults(p *seccomp.Profile, given seccomp.Vars) seccomp.Vars {
	v := seccomp.Symbols()
	for _, name := range p.Variables() {
		if values, ok := given[name]; ok {
			v[name] = values
		}
	}
	return v
}

// checked is what `policy check` found of a profile on one architecture.
type checked struct {
	Profile      string  `json:"profile"`
	Arch         string  `json:"arch"`
	OK           bool    `json:"ok"`
	Instructions int     `json:"instructions"`
	SHA256       string  `json:"sha256,omitempty"`
	CompileMS    float64 `json:"compile_ms"`
	VerifyMS     float64 `json:"verify_ms"`
	Problem      string  `json:"problem,omitempty"`
}

func policyCheck(f *policyFlags) *cobra.Command {
	return &cobra.Command{
		Use: "check [PROFILE...]", Short: "find the mistakes of profiles, compile them, and verify the programs",
		Long: "Reads each profile (all built-in ones when none is named), compiles it for amd64, arm64 and\n" +
			"arm, and compares the program with the profile on every class of calls. Exit code 3 when\n" +
			"something is wrong.",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = policy.Roles
			}
			var rows []checked
			var wrong []error
			for _, profile := range args {
				found, err := f.check(c.Context(), profile)
				if err != nil {
					wrong = append(wrong, err)
				}
				rows = append(rows, found...)
			}
			if err := f.showChecked(c.OutOrStdout(), rows); err != nil {
				return err
			}
			bad := slices.ContainsFunc(rows, func(r checked) bool { return !r.OK })
			if err := errors.Join(wrong...); err != nil {
				return err
			}
			if bad {
				return exit{exitConfiguration, ""}
			}
			return nil
		},
	}
}

func (f *policyFlags) check(ctx context.Context, profile string) ([]checked, error) {
	p, err := parseProfile(profile)
	if err != nil {
		return nil, err
	}
	if err := p.Undoes(); err != nil {
		return nil, mistakes(err)
	}
	vars, err := f.variables(p)
	if err != nil {
		return nil, err
	}
	for _, r := range p.Acknowledged() {
		fmt.Fprintf(os.Stderr, "sallyport: %s undoes a part of the confinement, and acknowledges it: %s\n", p.Name, r)
	}
	answers, err := compileProfile(ctx, profile, withDefaults(p, vars), seccomp.Archs...)
	if err != nil {
		return nil, err
	}
	var rows []checked
	for i, c := range answers {
		program := seccomp.NewProgram(seccomp.Archs[i], p.Name, c.BPF)
		row := checked{Profile: p.Name, Arch: c.Arch, OK: c.Error == "", Instructions: len(c.BPF) / 8,
			CompileMS: float64(c.CompileUS) / 1000, VerifyMS: float64(c.VerifyUS) / 1000, Problem: c.Error}
		if row.OK {
			row.SHA256 = fmt.Sprintf("%x", program.Hash)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (f *policyFlags) showChecked(out io.Writer, rows []checked) error {
	if f.asJSON {
		for _, r := range rows {
			if err := printJSON(out, r); err != nil {
				return err
			}
		}
		return nil
	}
	if len(rows) == 0 {
		return nil
	}
	t := lightTable(out, table.Row{"profile", "arch", "program", "compiled", "verified", ""})
	for _, r := range rows {
		result := "ok"
		if !r.OK {
			result = r.Problem
		}
		t.AppendRow(table.Row{r.Profile, r.Arch, fmt.Sprintf("%d instructions", r.Instructions),
			fmt.Sprintf("%.1f ms", r.CompileMS), fmt.Sprintf("%.1f ms", r.VerifyMS), result})
	}
	t.Render()
	return nil
}
