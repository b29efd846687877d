package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/seccomp"
)

// difference is one line of `policy diff --json`.
type difference struct {
	Call   string   `json:"call"`
	When   string   `json:"when"`
	Archs  []string `json:"archs"`
	Phases []string `json:"phases"`
	A      decided  `json:"a"`
	B      decided  `json:"b"`
}

func policyDiff(f *policyFlags) *cobra.Command {
	return &cobra.Command{
		Use: "diff A B", Short: "what two profiles decide differently, whatever their words", Args: exactly(2),
		Long: "Compares by meaning: for every call, every kind of arguments, each architecture and each\n" +
			"phase. Exit code 1 when there is a difference.",
		RunE: func(c *cobra.Command, args []string) error {
			a, err := parseProfile(args[0])
			if err != nil {
				return err
			}
			b, err := parseProfile(args[1])
			if err != nil {
				return err
			}
			all, err := seccomp.Diff(a, b)
			if err != nil {
				return err
			}
			if err := f.showDiff(c.OutOrStdout(), args, all); err != nil {
				return err
			}
			if len(all) > 0 {
				return exit{exitFailed, ""}
			}
			return nil
		},
	}
}

func (f *policyFlags) showDiff(out io.Writer, names []string, all []seccomp.Difference) error {
	if len(all) == 0 && !f.asJSON {
		_, err := fmt.Fprintf(out, "%s and %s say the same\n", names[0], names[1])
		return err
	}
	t := lightTable(out, table.Row{"call", "arguments", "arch", "phase", names[0], names[1]})
	for _, d := range all {
		row := difference{Call: d.Call, When: d.When, A: decidedBy(d.A), B: decidedBy(d.B)}
		for _, a := range d.Archs {
			row.Archs = append(row.Archs, a.String())
		}
		for _, ph := range d.Phases {
			row.Phases = append(row.Phases, ph.String())
		}
		if f.asJSON {
			if err := printJSON(out, row); err != nil {
				return err
			}
			continue
		}
		when := row.When
		if when == "" {
			when = "any"
		}
		t.AppendRow(table.Row{row.Call, when, all3(row.Archs, "every"), all3(row.Phases, "every"), row.A.words(), row.B.words()})
	}
	if !f.asJSON {
		t.Render()
	}
	return nil
}

// all3 shortens a list that has all three.
func all3(list []string, word string) string {
	if len(list) == 3 {
		return word
	}
	return strings.Join(list, " ")
}

func policyExport(f *policyFlags) *cobra.Command {
	var arch string
	var oci bool
	c := &cobra.Command{
		Use: "export PROFILE --oci", Short: "write a profile as the seccomp object of an OCI runtime", Args: exactly(1),
		Long: "Writes JSON on standard output, and on standard error where it says something else than the\n" +
			"profile: containers know no phases and have nobody to ask.",
		RunE: func(c *cobra.Command, args []string) error {
			if !oci {
				return exit{exitUsage, "the one format there is: add --oci"}
			}
			a, err := architecture(arch)
			if err != nil {
				return err
			}
			p, err := parseProfile(args[0])
			if err != nil {
				return err
			}
			vars, err := f.variables(p)
			if err != nil {
				return err
			}
			for _, name := range p.Variables() {
				if _, given := vars[name]; !given && name != "self_pid" {
					vars[name] = []uint64{}
					fmt.Fprintf(os.Stderr, "sallyport: $%s has no values: nothing that compares with it is admitted (--set %s=...)\n", name, name)
				}
			}
			b, err := p.Bind(a, vars)
			if err != nil {
				return mistakes(err)
			}
			text, notes, err := b.ExportOCI()
			if err != nil {
				return err
			}
			for _, n := range notes {
				fmt.Fprintln(os.Stderr, "sallyport:", n)
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	c.Flags().BoolVar(&oci, "oci", false, "as JSON of the OCI runtime specification")
	c.Flags().StringVar(&arch, "arch", "", "amd64, arm64 or arm (this machine's)")
	return c
}

// maxImport bounds in bytes the file that import reads.
const maxImport = 4 << 20

func policyImport(*policyFlags) *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "turn the seccomp object of an OCI runtime into a profile (- reads standard input)", Args: exactly(1),
		Long: "Writes a profile on standard output, and on standard error what was left out. It is a\n" +
			"proposal to be read and trimmed: a container's profile admits hundreds of calls.",
		RunE: func(c *cobra.Command, args []string) error {
			in := io.Reader(os.Stdin)
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return exit{exitNoSuch, err.Error()}
				}
				defer file.Close()
				in = file
			}
			data, err := io.ReadAll(io.LimitReader(in, maxImport+1))
			if err != nil {
				return err
			}
			if len(data) > maxImport {
				return exit{exitConfiguration, fmt.Sprintf("%s: larger than %d MiB", args[0], maxImport>>20)}
			}
			text, notes, err := seccomp.ImportOCI(data)
			if err != nil {
				return exit{exitConfiguration, fmt.Sprintf("%s: %v", args[0], err)}
			}
			for _, n := range notes {
				fmt.Fprintln(os.Stderr, "sallyport:", n)
			}
			_, err = io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
}
