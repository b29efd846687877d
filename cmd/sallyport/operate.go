package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/plan"
)

// operateCommand makes start, stop or restart. It returns when the worker is
// where it should be.
func operateCommand(verb, short string) *cobra.Command {
	var socket string
	var asJSON bool
	c := &cobra.Command{
		Use: verb + " WORKER", Short: short, Args: exactly(1), ValidArgsFunction: completeWorkers(&socket),
		RunE: func(c *cobra.Command, args []string) error {
			items, err := control.Client{Path: socket}.Ask(c.Context(), verb, map[string]string{"worker": args[0]})
			if err != nil {
				return err
			}
			for _, item := range items {
				if asJSON {
					fmt.Fprintf(c.OutOrStdout(), "%s\n", item)
					continue
				}
				var w workerRow
				if err := json.Unmarshal(item, &w); err != nil {
					return fmt.Errorf("%s: %w", verb, err)
				}
				fmt.Fprintln(c.OutOrStdout(), describeWorker(w))
			}
			return nil
		},
	}
	addSocket(c, &socket)
	addJSON(c, &asJSON)
	return c
}

func describeWorker(w workerRow) string {
	if w.PID == 0 {
		return fmt.Sprintf("%s is %s", w.Worker, w.State)
	}
	return fmt.Sprintf("%s is %s, process %d", w.Worker, w.State, w.PID)
}

func addSocket(c *cobra.Command, socket *string) {
	c.Flags().StringVar(socket, "socket", defaultSocket, "control socket of the supervisor")
}

func addJSON(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "one JSON object a line")
}

func reloadCommand() *cobra.Command {
	var socket string
	var asJSON, dry bool
	c := &cobra.Command{
		Use: "reload", Short: "read the configuration again; restart only what changed", Args: exactly(0),
		Long: "Reads and checks the configuration file of the running supervisor, opens and compiles what is\n" +
			"new, prints the plan and carries it out. A file that cannot be used touches nothing: the old\n" +
			"configuration stays in force, and the exit code is 7.",
		RunE: func(c *cobra.Command, _ []string) error {
			items, err := control.Client{Path: socket}.Ask(c.Context(), "reload", map[string]bool{"dry_run": dry})
			if err != nil {
				return err
			}
			if asJSON {
				for _, item := range items {
					fmt.Fprintf(c.OutOrStdout(), "%s\n", item)
				}
				return nil
			}
			text, err := describeReload(items)
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), text)
			}
			return err
		},
	}
	addSocket(c, &socket)
	addJSON(c, &asJSON)
	c.Flags().BoolVar(&dry, "dry-run", false, "print the plan and change nothing")
	return c
}

// describeReload gives the plan on a line, and how it went on another.
func describeReload(items []json.RawMessage) (string, error) {
	var p plan.Plan
	for i, item := range items {
		if i < len(items)-1 {
			var step plan.Step
			if err := json.Unmarshal(item, &step); err != nil {
				return "", fmt.Errorf("reload: %w", err)
			}
			p.Steps = append(p.Steps, step)
			continue
		}
		var end struct {
			Applied bool    `json:"applied"`
			TookMS  float64 `json:"took_ms"`
		}
		if err := json.Unmarshal(item, &end); err != nil {
			return "", fmt.Errorf("reload: %w", err)
		}
		lines := []string{p.String()}
		switch took := time.Duration(end.TookMS * 1e6).Round(time.Millisecond); {
		case !end.Applied:
			lines = append(lines, "nothing was changed (--dry-run)")
		case p.Changes():
			lines = append(lines, fmt.Sprintf("applied in %v", took))
		default:
			lines = append(lines, "nothing to do")
		}
		return strings.Join(lines, "\n"), nil
	}
	return "", fmt.Errorf("reload: the supervisor answered nothing")
}
