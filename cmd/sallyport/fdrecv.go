package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
)

func fdRecvCommand() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "recv PATH -- COMMAND [ARG...]", Short: "wait at PATH for descriptors, and become COMMAND with them",
		Long: "Makes a socket at PATH, waits for one `sallyport fd send`, removes the socket,\n" +
			"acknowledges, and executes COMMAND with the descriptors as 3, 4, 5 and so on, in\n" +
			"the order of the sender, described by LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES\n" +
			"(sd_listen_fds(3)). COMMAND has the process id of this command.",
		Args: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 1 || len(args) < 2 {
				return exit{exitUsage, fmt.Sprintf("usage: %s\nas in: sallyport fd recv /run/me/door -- cat /dev/fd/3", c.UseLine())}
			}
			return checkSocketPath(args[0])
		},
		RunE: func(c *cobra.Command, args []string) error { return fdRecv(c.Context(), args[0], wait, args[1:]) },
	}
	c.Flags().DurationVar(&wait, "wait", 0, "how long to wait for a sender; 0 is for ever")
	return c
}

// fdRecv returns only when something went wrong.
func fdRecv(ctx context.Context, path string, wait time.Duration, command []string) error {
	program, err := exec.LookPath(command[0])
	if err != nil {
		return exit{exitNoSuch, fmt.Sprintf("no program %q: %v", command[0], errors.Unwrap(err))}
	}
	if err := reserveNumbers(); err != nil {
		return err
	}
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	offered, err := fdAwait(ctx, path)
	if err != nil {
		return err
	}
	variables, err := offered.Activate()
	if err == nil {
		err = offered.Receipt()
	}
	if err != nil {
		return errors.Join(err, offered.Close())
	}
	return fmt.Errorf("execute %s: %w", program, unix.Exec(program, command, append(withoutActivation(os.Environ()), variables...)))
}

// fdAwait makes the socket, takes one sender's offer, and removes the socket.
func fdAwait(ctx context.Context, path string) (*scmrights.Offered, error) {
	mask := unix.Umask(0o177) // only this user connects
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket", Name: path})
	unix.Umask(mask)
	if err != nil {
		return nil, fdSocketError(path, err)
	}
	defer listener.Close() // removes the path, too
	defer context.AfterFunc(ctx, func() { _ = listener.SetDeadline(time.Unix(1, 0)) })()
	conn, err := listener.AcceptUnix()
	if err != nil {
		return nil, fdInterrupted(ctx, fmt.Errorf("%s: %w", path, plainErrno(err)))
	}
	defer conn.Close()
	end, err := conn.File()
	if err != nil {
		return nil, err
	}
	defer end.Close()
	offered, err := scmrights.ReceiveOffer(ctx, end)
	if err == io.EOF {
		return nil, fmt.Errorf("the sender at %s left without sending anything", path)
	}
	if err != nil {
		return nil, fdInterrupted(ctx, err)
	}
	return offered, nil
}

// fdInterrupted says what ended the wait, if it was not err itself.
func fdInterrupted(ctx context.Context, err error) error {
	switch ctx.Err() {
	case nil:
		return err
	case context.DeadlineExceeded:
		return exit{exitFailed, "nobody sent anything in time"}
	}
	return exit{exitFailed, "interrupted before anything came"}
}

// reservedVariable lists, to the command that has started itself again, the
// numbers that it kept from its runtime.
const reservedVariable = "SALLYPORT_FD_RESERVED"

// reserveNumbers makes sure that the runtime uses no descriptor where Activate
// lays what is received. Its poller and its files of the control group cannot be
// moved once they are open. So the command takes every number from 3 on that is
// free, lets those of the runtime live on as mere numbers, and starts itself
// again: the new image finds them taken.
func reserveNumbers() error {
	const first, last = 3, 3 + scmrights.MaxSlots
	if list, again := os.LookupEnv(reservedVariable); again {
		for _, text := range strings.Fields(list) {
			if n, err := strconv.Atoi(text); err == nil && first <= n && n < last {
				unix.CloseOnExec(n)
			}
		}
		return os.Unsetenv(reservedVariable)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	var taken []string
	for n := first; n < last; n++ {
		switch flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); {
		case err != nil:
			if err := unix.Dup3(null, n, 0); err != nil {
				return fmt.Errorf("descriptor %d cannot be had (see: ulimit -n): %w", n, os.NewSyscallError("dup3", err))
			}
		case flags&unix.FD_CLOEXEC == 0:
			continue // the caller's, for COMMAND
		default:
			if _, err := unix.FcntlInt(uintptr(n), unix.F_SETFD, 0); err != nil {
				return os.NewSyscallError("fcntl", err)
			}
		}
		taken = append(taken, strconv.Itoa(n))
	}
	env := append(os.Environ(), reservedVariable+"="+strings.Join(taken, " "))
	return fmt.Errorf("start again: %w", unix.Exec("/proc/self/exe", os.Args, env))
}

// withoutActivation leaves out what another activation has said.
func withoutActivation(env []string) []string {
	var left []string
	for _, v := range env {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES":
		default:
			left = append(left, v)
		}
	}
	return left
}
