package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/install"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "find every mistake of a configuration, starting nothing", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := existing(args[0]); err != nil {
				return err
			}
			programs, err := install.Find()
			if err != nil {
				return err
			}
			cfg, err := programs.Rules(nil).Load(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: ok: %d workers, %d devices, %d queues\n", args[0], len(cfg.Workers), len(cfg.Devices), len(cfg.Queues))
			return nil
		},
	}
}
