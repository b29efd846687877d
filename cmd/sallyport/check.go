package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sallyport/internal/install"
)

func checkCommand() *cobra.Command {
	var host bool
	c := &cobra.Command{
		Use: "check FILE", Short: "find every mistake of a configuration, starting nothing", Args: exactly(1),
		Long: "Finds every mistake that the file, the profiles and the programs show. With --host (as root) it\n" +
			"also opens every device and socket, makes the queues in a namespace of its own and compiles every\n" +
			"filter, and lets go of all of it: no worker is started.",
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
			if host {
				return examineHost(programs, args[0])
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: ok: %d workers, %d devices, %d queues\n", args[0], len(cfg.Workers), len(cfg.Devices), len(cfg.Queues))
			return nil
		},
	}
	c.Flags().BoolVar(&host, "host", false, "also open, make and compile everything on this machine (as root)")
	return c
}

// examineHost becomes the supervisor, which has the rights to look and is the
// program that is linked with the compiler of filters.
func examineHost(programs install.Dir, file string) error {
	if os.Geteuid() != 0 {
		return exit{exitNotPermitted, "check --host needs root: it opens devices as the supervisor does; use sudo"}
	}
	argv := []string{programs.Supervisor(), "-check", "-log-level=warn", file}
	return fmt.Errorf("start %s: %w", programs.Supervisor(), unix.Exec(programs.Supervisor(), argv, os.Environ()))
}
