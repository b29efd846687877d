package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch/stage"
	"sallyport/internal/sys"
	"sallyport/pkg/scmrights"
)

// launcherOnly are variables that are for the launcher's own runtime.
var launcherOnly = []string{scmrights.ChannelVariable, "GODEBUG", "GOGC"}

// launcher is `worker launcher`: it is proved in place of a program that does
// not speak the hand-over, takes what that is granted, and becomes it, by
// sd_listen_fds(3). argv is the program's. It returns only when that failed,
// with the exit code; the supervisor logs the reason.
//
// It leaves the runtime's poller alone, whose descriptors would be in the way.
func launcher(argv []string) int {
	runtime.LockOSThread()
	if err := launch(argv); err != nil {
		fmt.Fprintln(os.Stderr, "launcher:", err)
		return 1
	}
	return 0
}

func launch(argv []string) error {
	if _, err := unix.FcntlInt(stage.SecondFD, unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return fmt.Errorf("the program, descriptor %d: %w", stage.SecondFD, err)
	}
	channel := os.NewFile(stage.ChannelFD, "channel")
	defer runtime.KeepAlive(channel)
	offered, err := scmrights.ReceiveOffer(context.Background(), channel)
	if err != nil {
		return err
	}
	// The channel makes room, and lives until the exec: its end is the sign.
	above := stage.ChannelFD + len(offered.Names())
	if _, err := unix.FcntlInt(stage.ChannelFD, unix.F_DUPFD_CLOEXEC, above); err != nil {
		return fmt.Errorf("channel to %d or above: %w", above, err)
	}
	variables, err := offered.Activate()
	if err != nil {
		return err
	}
	if err := offered.Receipt(); err != nil {
		return err
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(launcherOnly, name)
	})
	if os.Getenv("WATCHDOG_USEC") != "" {
		variables = append(variables, fmt.Sprintf("WATCHDOG_PID=%d", os.Getpid()))
	}
	err = sys.Execveat(stage.SecondFD, argv, append(env, variables...))
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("execute %s: its ELF interpreter is not in its root: name the directory in read_only, as in [\"/lib\", \"/lib64\", \"/usr/lib\"]: %w", argv[0], err)
	}
	return fmt.Errorf("execute %s: %w", argv[0], err)
}
