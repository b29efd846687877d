package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/pkg/sysvctl"
)

// Exit codes of every verb.
const (
	exitFailed        = 1
	exitUsage         = 2
	exitConfiguration = 3
	exitUnreachable   = 4
	exitNotPermitted  = 5
	exitNoSuch        = 6
	exitRefused       = 7 // a reload; the old configuration is still in force
	exitDegraded      = 8 // healthy, and something is missing
)

// exit is an error that carries the exit code. An empty text prints nothing:
// somebody else has said it already.
type exit struct {
	code int
	text string
}

func (e exit) Error() string { return e.text }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	os.Exit(execute(ctx))
}

func execute(ctx context.Context) int {
	root := &cobra.Command{
		Use: "sallyport", Short: "hand devices to confined workers, and watch over them",
		Long: "Sallyport runs sensor, actuator and gateway programs without privileges: a privileged\n" +
			"parent opens what the configuration names and hands it over, already open.",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exit{exitUsage, fmt.Sprintf("%v\nsee: %s --help", err, c.CommandPath())}
	})
	root.AddCommand(demoCommand(), runCommand(), checkCommand(), statusCommand(), inspectCommand(), eventsCommand(),
		operateCommand("start", "start a worker that is down"),
		operateCommand("stop", "take a worker's rights, then let it end"),
		operateCommand("restart", "stop a worker and start it again, given up or not"), reloadCommand(), upgradeCommand(), queueCommand(), fdCommand(), versionCommand())
	return report(root.ExecuteContext(ctx))
}

// report prints an error once and gives the exit code for it.
func report(err error) int {
	var coded exit
	var fault *control.Fault
	var problems config.Problems
	var queue *sysvctl.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		if coded.text != "" {
			fmt.Fprintln(os.Stderr, "sallyport:", coded.text)
		}
		return coded.code
	case errors.As(err, &problems):
		fmt.Fprint(os.Stderr, problems.Error())
		return exitConfiguration
	case errors.As(err, &fault):
		fmt.Fprintln(os.Stderr, "sallyport:", fault)
		if code, known := faultExits[fault.Code]; known {
			return code
		}
		return exitFailed
	case errors.As(err, &queue):
		fmt.Fprintln(os.Stderr, "sallyport:", err)
		return queueExit(err)
	}
	fmt.Fprintln(os.Stderr, "sallyport:", err)
	return exitFailed
}

// faultExits are the exit codes of faults; all others are exitFailed.
var faultExits = map[string]int{"SP0411": exitUnreachable, "SP0403": exitNotPermitted, "SP0421": exitNoSuch, "SP0422": exitUsage, "SP0431": exitRefused, "SP0433": exitNoSuch}

// queueExit is the exit code for an error of a message queue.
func queueExit(err error) int {
	switch {
	case errors.Is(err, sysvctl.ErrNotExist), errors.Is(err, sysvctl.ErrRemoved):
		return exitNoSuch
	case errors.Is(err, os.ErrPermission) && !errors.Is(err, sysvctl.ErrLimit):
		return exitNotPermitted
	case errors.Is(err, sysvctl.ErrNotPositive):
		return exitUsage
	}
	return exitFailed
}

// existing refuses a configuration file that is not there.
func existing(file string) error {
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return exit{exitNoSuch, fmt.Sprintf("there is no file %s; README.md shows a first configuration", file)}
	}
	return nil
}

// exactly is cobra's argument check with our exit code.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return exit{exitUsage, fmt.Sprintf("usage: %s", c.UseLine())}
		}
		return nil
	}
}
