package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

// workerNames asks the supervisor.
func workerNames(ctx context.Context, client control.Client) ([]string, error) {
	items, err := client.Ask(ctx, "status", nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, item := range items {
		var w workerRow
		if err := json.Unmarshal(item, &w); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
		if w.Worker != "" {
			names = append(names, w.Worker)
		}
	}
	return names, nil
}

// knownWorker is an error for a name that no worker has.
func knownWorker(c *cobra.Command, client control.Client, name string) error {
	names, err := workerNames(c.Context(), client)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n == name {
			return nil
		}
	}
	return &control.Fault{Code: "SP0433", What: fmt.Sprintf("there is no worker %q", name), Why: "workers are: " + strings.Join(names, ", "),
		Fix: "see `sallyport status`"}
}

// completeWorkers gives the shell the names of the workers that there are; a
// supervisor that does not answer gives none.
func completeWorkers(socket *string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		names, err := workerNames(ctx, control.Client{Path: *socket})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
