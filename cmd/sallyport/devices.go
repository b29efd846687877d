package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/survey"
)

func devicesCommand() *cobra.Command {
	var write, asJSON bool
	c := &cobra.Command{
		Use: "devices", Short: "the sensors of this machine, as blocks of a configuration with --write", Args: exactly(0),
		Long: "Lists what this machine has to read from. --write prints ready blocks for a configuration, to be\n" +
			"appended to a file: sallyport devices --write >> house.hcl",
		RunE: func(c *cobra.Command, _ []string) error {
			found := survey.Scan("/")
			switch out := c.OutOrStdout(); {
			case asJSON:
				for _, f := range found {
					line, err := json.Marshal(map[string]string{"device": f.Name, "kind": f.Kind, "what": f.What, "value": f.Value, "block": f.Block, "note": f.Note})
					if err != nil {
						return err
					}
					fmt.Fprintf(out, "%s\n", line)
				}
			case write:
				var text strings.Builder
				for _, f := range found {
					if f.Note != "" {
						fmt.Fprintf(&text, "# to be filled in: %s\n", f.Note)
					}
					fmt.Fprintf(&text, "%s\n", f.Block)
				}
				fmt.Fprintf(out, "%s", hclwrite.Format([]byte(text.String())))
			default:
				t := table.NewWriter()
				t.SetOutputMirror(out)
				t.SetStyle(table.StyleLight)
				t.AppendHeader(table.Row{"name", "kind", "what", "now", "to be filled in"})
				for _, f := range found {
					t.AppendRow(table.Row{f.Name, f.Kind, f.What, f.Value, f.Note})
				}
				t.Render()
			}
			return nil
		},
	}
	c.Flags().BoolVar(&write, "write", false, "print blocks for a configuration")
	addJSON(c, &asJSON)
	return c
}
