package main

import (
	"fmt"
	"os"

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
	WaitsFor []string `json:"waits_for"`
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
