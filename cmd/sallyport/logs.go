package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func logsCommand() *cobra.Command {
	var socket string
	var asJSON, follow bool
	c := &cobra.Command{
		Use: "logs [WORKER]", Short: "the last lines of the log, of one worker or all; -f goes on",
		Long: "Prints the last 512 lines of the log that the supervisor remembers, with what its workers print.\n" +
			"With -f it goes on until Ctrl-C.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactly(1)(c, args)
			}
			return nil
		},
		ValidArgsFunction: completeWorkers(&socket),
		RunE: func(c *cobra.Command, args []string) error {
			client := control.Client{Path: socket}
			if len(args) == 1 {
				if err := knownWorker(c, client, args[0]); err != nil {
					return err
				}
			}
			for line, err := range client.Logs(c.Context(), follow) {
				if err != nil {
					return err
				}
				at, e, err := control.Decode(line)
				if err != nil {
					return err
				}
				l, isLog := e.(control.Log)
				if isLog && len(args) == 1 && l.Worker != args[0] {
					continue
				}
				switch {
				case asJSON:
					fmt.Fprintf(c.OutOrStdout(), "%s\n", line)
				case isLog:
					fmt.Fprintf(c.OutOrStdout(), "%s %-5s %s\n", at.Local().Format("2006-01-02 15:04:05.000"), strings.ToUpper(l.Level), withWorker(l))
				}
			}
			return nil
		},
	}
	addSocket(c, &socket)
	addJSON(c, &asJSON)
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until Ctrl-C")
	return c
}

func withWorker(l control.Log) string {
	if l.Worker == "" {
		return l.Text
	}
	return l.Worker + ": " + l.Text
}
