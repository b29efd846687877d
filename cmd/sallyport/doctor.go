package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/doctor"
	"sallyport/internal/install"
)

func doctorCommand() *cobra.Command {
	var asJSON, inside bool
	c := &cobra.Command{
		Use: "doctor", Short: "try what this machine can enforce, and say what to type where it cannot", Args: exactly(0),
		Long: "Tries what a supervisor and its workers need. A line is ok, warn (something is missing that a\n" +
			"configuration can do without) or fail. Exit code 0 when all is ok, 8 with a warning, 1 with a failure.",
		RunE: func(c *cobra.Command, _ []string) error {
			if inside {
				if err := doctor.InNamespaces(); err != nil {
					fmt.Fprintln(c.OutOrStdout(), err)
				}
				return nil
			}
			host := doctor.Host{Root: "/", Euid: os.Geteuid(), Libseccomp: libseccompVersion,
				Namespaces: func() (error, error) {
					return doctor.Child("/proc/self/exe", "doctor", doctor.InNamespacesFlag)
				}}
			all := host.Look()
			if err := showFindings(c.OutOrStdout(), all, asJSON); err != nil {
				return err
			}
			switch doctor.Worst(all) {
			case doctor.Fail:
				return exit{exitFailed, ""}
			case doctor.Warn:
				return exit{exitDegraded, ""}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().BoolVar(&inside, strings.TrimPrefix(doctor.InNamespacesFlag, "--"), false, "the part that runs in namespaces")
	c.Flags().Lookup(strings.TrimPrefix(doctor.InNamespacesFlag, "--")).Hidden = true
	return c
}

func showFindings(out io.Writer, all []doctor.Finding, asJSON bool) error {
	if asJSON {
		lines := json.NewEncoder(out)
		for _, f := range all {
			if err := lines.Encode(f); err != nil {
				return err
			}
		}
		return nil
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: 100}})
	for _, f := range all {
		t.AppendRow(table.Row{f.Check, f.Level, f.Says})
		if f.Fix != "" {
			t.AppendRow(table.Row{"", "", "mend: " + f.Fix})
		}
	}
	t.Render()
	return nil
}

// libseccompVersion asks the one program that is linked with it.
func libseccompVersion() (string, error) {
	programs, err := install.Find()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(programs.Supervisor(), "-libseccomp").Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("the supervisor does not start: %s", strings.TrimSpace(string(failed.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
