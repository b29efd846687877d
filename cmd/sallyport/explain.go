package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/explain"
)

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain [CODE | configuration]", Short: "long text for an error code, or every attribute of a configuration, offline",
		Long: "Prints what an error code means, what usually causes it and what to do. Without a code it lists\n" +
			"all of them; `explain configuration` prints the reference of the configuration.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactly(1)(c, args)
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			names := []string{"configuration"}
			for _, p := range explain.Pages() {
				names = append(names, p.Code+"\t"+p.Title)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			out := c.OutOrStdout()
			if len(args) == 0 {
				t := table.NewWriter()
				t.SetOutputMirror(out)
				t.SetStyle(table.StyleLight)
				t.AppendHeader(table.Row{"code", "what it is", "exit code"})
				for _, p := range explain.Pages() {
					t.AppendRow(table.Row{p.Code, p.Title, p.Exit})
				}
				t.Render()
				return nil
			}
			if strings.EqualFold(args[0], "configuration") {
				fmt.Fprint(out, config.Reference())
				return nil
			}
			p, found := explain.Find(args[0])
			if !found {
				return exit{exitNoSuch, fmt.Sprintf("there is no error code %q; `sallyport explain` lists them", args[0])}
			}
			fmt.Fprintf(out, "%s: %s\n\n%s\n", p.Code, p.Title, p.Text)
			return nil
		},
	}
}
