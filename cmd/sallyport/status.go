package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

// statusHead is what the command shows of the supervisor itself.
type statusHead struct {
	Supervisor  string                             `json:"supervisor"`
	UptimeMS    float64                            `json:"uptime_ms"`
	NotEnforced []struct{ Protection, Why string } `json:"not_enforced"`
	Degraded    []string                           `json:"degraded"`
	Totals      map[string]uint64                  `json:"totals"`
}

// statusReport is the whole answer to `status`.
type statusReport struct {
	statusHead
	workers []workerRow
}

func parseStatus(items []json.RawMessage) (statusReport, error) {
	var r statusReport
	for i, item := range items {
		if i == 0 {
			if err := json.Unmarshal(item, &r.statusHead); err != nil {
				return r, fmt.Errorf("status: %w", err)
			}
			continue
		}
		var w workerRow
		if err := json.Unmarshal(item, &w); err != nil {
			return r, fmt.Errorf("status: %w", err)
		}
		r.workers = append(r.workers, w)
	}
	return r, nil
}

// troubled are the states of a worker that should run and does not.
var troubled = []string{"backoff", "given up", "quarantined"}

// verdict is an error with the exit code 8 when something is not as it should be.
func (r statusReport) verdict() error {
	bad := len(r.Degraded) > 0 || slices.ContainsFunc(r.workers, func(w workerRow) bool { return slices.Contains(troubled, w.State) })
	if bad {
		return exit{exitDegraded, ""}
	}
	return nil
}

func statusCommand() *cobra.Command {
	var socket string
	var asJSON, metrics bool
	c := &cobra.Command{
		Use: "status [WORKER]", Short: "show every worker: state, process, restarts, last exit in words",
		Long: "Shows what runs and how it goes. The exit code is 0 when all is well and 8 when the supervisor\n" +
			"runs and something is missing: an optional device, or a worker that cannot be kept running.\n" +
			"--metrics prints the same as Prometheus text, for a node exporter's text files for example.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactly(1)(c, args)
			}
			return nil
		},
		ValidArgsFunction: completeWorkers(&socket),
		RunE: func(c *cobra.Command, args []string) error {
			client := control.Client{Path: socket}
			items, err := client.Ask(c.Context(), "status", nil)
			if err != nil {
				return err
			}
			r, err := parseStatus(items)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				i := slices.IndexFunc(r.workers, func(w workerRow) bool { return w.Worker == args[0] })
				if i < 0 {
					return knownWorker(c, client, args[0])
				}
				r.workers, items = r.workers[i:i+1], []json.RawMessage{items[i+1]}
			}
			switch {
			case metrics:
				return writeMetrics(c, client, r)
			case asJSON:
				for _, item := range items {
					fmt.Fprintf(c.OutOrStdout(), "%s\n", item)
				}
			default:
				r.show(c.OutOrStdout())
			}
			return r.verdict()
		},
	}
	addSocket(c, &socket)
	addJSON(c, &asJSON)
	c.Flags().BoolVar(&metrics, "metrics", false, "Prometheus text")
	return c
}

func (r statusReport) show(out io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"worker", "state", "pid", "uid", "up", "restarts", "proof", "grants", "last exit"})
	for _, w := range r.workers {
		t.AppendRow(table.Row{w.Worker, w.State, w.PID, w.UID, time.Duration(w.UptimeMS * 1e6).Round(time.Second),
			w.Restarts, w.ProofLevel, len(w.Grants), w.LastExit})
	}
	t.Render()
	for _, w := range r.workers {
		if len(w.WaitsFor) > 0 {
			fmt.Fprintf(out, "%s waits for %v\n", w.Worker, w.WaitsFor)
		}
	}
	for _, p := range r.NotEnforced {
		fmt.Fprintf(out, "not enforced: %s: %s\n", p.Protection, p.Why)
	}
	for _, d := range r.Degraded {
		fmt.Fprintf(out, "degraded: %s\n", d)
	}
}
