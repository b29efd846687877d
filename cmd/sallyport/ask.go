package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

const defaultSocket = "/run/sallyport/sensor-logger.sock"

// workerRow is what the command shows of a worker's status.
type workerRow struct {
	Worker     string  `json:"worker"`
	State      string  `json:"state"`
	PID        int     `json:"pid"`
	UID        uint32  `json:"uid"`
	Restarts   int     `json:"restarts"`
	UptimeMS   float64 `json:"uptime_ms"`
	ProofLevel int     `json:"proof_level"`
	LastExit   string  `json:"last_exit"`
	Grants     []struct {
		Name string `json:"name"`
	} `json:"grants"`
}

func statusCommand() *cobra.Command {
	var socket string
	var asJSON bool
	c := &cobra.Command{
		Use: "status", Short: "show every worker: state, process, restarts, last exit in words", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			items, err := control.Client{Path: socket}.Ask(c.Context(), "status", nil)
			if err != nil {
				return err
			}
			if asJSON {
				for _, item := range items {
					fmt.Fprintf(c.OutOrStdout(), "%s\n", item)
				}
				return nil
			}
			return showStatus(c.OutOrStdout(), items)
		},
	}
	c.Flags().StringVar(&socket, "socket", defaultSocket, "control socket of the supervisor")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func showStatus(out io.Writer, items []json.RawMessage) error {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"worker", "state", "pid", "uid", "up", "restarts", "proof", "grants", "last exit"})
	for i, item := range items {
		if i == 0 {
			continue // the supervisor itself
		}
		var w workerRow
		if err := json.Unmarshal(item, &w); err != nil {
			return fmt.Errorf("status: %w", err)
		}
		t.AppendRow(table.Row{w.Worker, w.State, w.PID, w.UID, time.Duration(w.UptimeMS * 1e6).Round(time.Second),
			w.Restarts, w.ProofLevel, len(w.Grants), w.LastExit})
	}
	t.Render()
	var head struct {
		NotEnforced []struct{ Protection, Why string } `json:"not_enforced"`
		Degraded    []string                           `json:"degraded"`
	}
	if len(items) > 0 {
		if err := json.Unmarshal(items[0], &head); err != nil {
			return fmt.Errorf("status: %w", err)
		}
	}
	for _, p := range head.NotEnforced {
		fmt.Fprintf(out, "not enforced: %s: %s\n", p.Protection, p.Why)
	}
	for _, d := range head.Degraded {
		fmt.Fprintf(out, "degraded: %s\n", d)
	}
	return nil
}

func eventsCommand() *cobra.Command {
	var socket string
	var asJSON bool
	c := &cobra.Command{
		Use: "events", Short: "follow what happens, until Ctrl-C", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			show := &shower{out: c.OutOrStdout(), every: true}
			for line, err := range (control.Client{Path: socket}).Events(c.Context()) {
				if err != nil {
					return err
				}
				if asJSON {
					fmt.Fprintf(os.Stdout, "%s\n", line)
					continue
				}
				if at, e, err := control.Decode(line); err == nil {
					show.event(at, e)
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&socket, "socket", defaultSocket, "control socket of the supervisor")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}
