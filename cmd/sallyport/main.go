package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/explain"
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
	root.AddCommand(
		demoCommand(), runCommand(), versionCommand(),
		checkCommand(), fmtCommand(), explainCommand(), devicesCommand(), doctorCommand(),
		statusCommand(), topCommand(), inspectCommand(), eventsCommand(), logsCommand(),
		operateCommand("start", "start a worker that is down"),
		operateCommand("stop", "take a worker's rights, then let it end"),
		operateCommand("restart", "stop a worker and start it again, given up or not"),
		reloadCommand(), upgradeCommand(),
		plotCommand(), exportCommand(),
		queueCommand(), fdCommand(), policyCommand(),
	)
	err := root.ExecuteContext(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "unknown command ") { // cobra has no type for it
		err = exit{exitUsage, err.Error() + "; `sallyport --help` lists them"}
	}
	return report(err)
}

// generalCodes are the codes of errors that have none of their own, by exit code.
var generalCodes = map[int]string{exitFailed: "SP0001", exitUsage: "SP0002", exitConfiguration: "SP0003", exitNotPermitted: "SP0005", exitNoSuch: "SP0006"}

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
			complain(coded.code, coded.text)
		}
		return coded.code
	case errors.As(err, &problems):
		fmt.Fprintln(os.Stderr, problems.Error())
		complain(exitConfiguration, fmt.Sprintf("%d mistakes", len(problems)))
		return exitConfiguration
	case errors.As(err, &fault):
		fmt.Fprintln(os.Stderr, "sallyport:", fault)
		if page, known := explain.Find(fault.Code); known {
			return page.Exit
		}
		return exitFailed // of a later release
	case errors.As(err, &queue):
		complain(queueExit(err), err.Error())
		return queueExit(err)
	}
	complain(exitFailed, err.Error())
	return exitFailed
}

// complain prints an error with the general code of its kind.
func complain(code int, text string) {
	fmt.Fprintf(os.Stderr, "sallyport: %s: %s\n", generalCodes[code], text)
}

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
