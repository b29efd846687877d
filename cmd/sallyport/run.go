package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sallyport/internal/install"
)

func runCommand() *cobra.Command {
	var level string
	c := &cobra.Command{
		Use: "run FILE", Short: "run the supervisor in the foreground (as root)", Args: exactly(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if os.Geteuid() != 0 {
				return exit{exitNotPermitted, "run needs root: the supervisor opens devices and gives every worker a user of its own; " +
					"use sudo, or `sallyport demo`, which can do without"}
			}
			if err := existing(args[0]); err != nil {
				return err
			}
			programs, err := install.Find()
			if err != nil {
				return err
			}
			argv := []string{programs.Supervisor(), "-log-level=" + level, args[0]}
			return fmt.Errorf("start %s: %w", programs.Supervisor(), unix.Exec(programs.Supervisor(), argv, os.Environ()))
		},
	}
	c.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}

// version is set by the build: the commit, or the tag.
var version = "unknown"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			fmt.Fprintf(c.OutOrStdout(), "sallyport %s (%s), handover/1, control/1\n", version, runtime.Version())
			return nil
		},
	}
}
