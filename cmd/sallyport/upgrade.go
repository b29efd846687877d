package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func upgradeCommand() *cobra.Command {
	var socket, binary string
	var asJSON bool
	c := &cobra.Command{
		Use: "upgrade", Short: "put a new supervisor in the place of the running one; the workers run on", Args: exactly(0),
		Long: "Replaces the program of the running supervisor, in the same process: no worker is stopped\n" +
			"and no message is lost. Without --binary it is the program that now has the old one's\n" +
			"path, as a package manager leaves it. The new program is asked first whether it can take\n" +
			"over; one that cannot, or that fails while it does, changes nothing.",
		RunE: func(c *cobra.Command, _ []string) error {
			args := map[string]string{}
			if binary != "" {
				path, err := filepath.Abs(binary)
				if err != nil {
					return err
				}
				args["binary"] = path
			}
			items, err := control.Client{Path: socket}.Ask(c.Context(), "upgrade", args)
			if err != nil {
				return err
			}
			for _, item := range items {
				if asJSON {
					fmt.Fprintf(c.OutOrStdout(), "%s\n", item)
					continue
				}
				var done struct {
					From, To string
					Workers  int
					MS       float64
				}
				if err := json.Unmarshal(item, &done); err != nil {
					return fmt.Errorf("upgrade: %w", err)
				}
				fmt.Fprintf(c.OutOrStdout(), "upgraded from %s to %s in %.0f ms; %d workers ran on\n", done.From, done.To, done.MS, done.Workers)
			}
			return nil
		},
	}
	addSocket(c, &socket)
	c.Flags().StringVar(&binary, "binary", "", "the new supervisor; by default what has the running one's path")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}
