package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
)

func fdCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "fd", Short: "pass open descriptors between programs, from a shell",
		Long: "A descriptor of one shell becomes a descriptor of a program elsewhere:\n\n" +
			"  sallyport fd recv /run/me/door -- httpd &\n" +
			"  sallyport fd send /run/me/door web=7 7<>/dev/ttyUSB0\n\n" +
			"Both ends must be of one user, or the sender root. The sender knows at its end\n" +
			"that everything arrived: the receiver acknowledges it.",
	}
	c.AddCommand(fdSendCommand(), fdRecvCommand())
	return c
}

func fdSendCommand() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "send PATH NAME=FD...", Short: "send open descriptors to the `fd recv` that listens at PATH",
		Long: "Sends the descriptors with these numbers under these names, and ends when the\n" +
			"receiver has acknowledged all of them: exit code 0 means that it has them.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return exit{exitUsage, fmt.Sprintf("usage: %s\nas in: sallyport fd send /run/me/door log=3 3>>log", c.UseLine())}
			}
			return checkSocketPath(args[0])
		},
		RunE: func(c *cobra.Command, args []string) error {
			items, err := fdItems(args[1:])
			if err != nil {
				return err
			}
			return fdSend(c.Context(), args[0], wait, items)
		},
	}
	c.Flags().DurationVar(&wait, "wait", 5*time.Second, "how long to wait for a receiver to listen, and then for its receipt")
	return c
}

// checkSocketPath refuses what bind(2) and connect(2) would not take, in words.
func checkSocketPath(path string) error {
	const most = len(unix.RawSockaddrUnix{}.Path) - 1
	if path == "" || len(path) > most || strings.HasPrefix(path, "@") {
		return exit{exitUsage, fmt.Sprintf("%q is no path of a socket: it must have 1 to %d bytes, and not begin with @", path, most)}
	}
	return nil
}

// fdItems turns NAME=FD arguments into what is offered. The numbers are those
// that this process was started with.
func fdItems(args []string) ([]scmrights.Item, error) {
	if len(args) > scmrights.MaxSlots {
		return nil, exit{exitUsage, fmt.Sprintf("%d descriptors: %d can be sent at once", len(args), scmrights.MaxSlots)}
	}
	var items []scmrights.Item
	names := map[string]bool{}
	for _, arg := range args {
		name, number, found := strings.Cut(arg, "=")
		n, err := strconv.ParseUint(number, 10, 16)
		switch {
		case !found || err != nil:
			return nil, exit{exitUsage, fmt.Sprintf("%q is not NAME=FD, as in log=3", arg)}
		case name == "" || len(name) > scmrights.MaxName || strings.ContainsFunc(name, notActivationName):
			return nil, exit{exitUsage, fmt.Sprintf("%q is no name: it has 1 to %d printable ASCII characters, and no colon, which separates names", name, scmrights.MaxName)}
		case names[name]:
			return nil, exit{exitUsage, fmt.Sprintf("the name %s is there twice", name)}
		}
		names[name] = true
		item, err := inheritedItem(name, int(n))
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func notActivationName(r rune) bool { return r <= ' ' || r > '~' || r == ':' }

// inheritedItem looks at a descriptor that the shell opened. Those of this
// program itself are marked close-on-exec, which an inherited one cannot be.
func inheritedItem(name string, n int) (scmrights.Item, error) {
	flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC != 0 {
		return scmrights.Item{}, exit{exitUsage, fmt.Sprintf("%s: descriptor %d is not open; open it for this command, as in: sallyport fd send PATH %s=%d %d<file", name, n, name, n, n)}
	}
	kind, err := kindOf(n)
	if err != nil {
		return scmrights.Item{}, fmt.Errorf("%s: descriptor %d: %w", name, n, err)
	}
	access := scmrights.AccessBoth
	if status, err := unix.FcntlInt(uintptr(n), unix.F_GETFL, 0); err == nil {
		switch status & unix.O_ACCMODE {
		case unix.O_RDONLY:
			access = scmrights.AccessRead
		case unix.O_WRONLY:
			access = scmrights.AccessWrite
		}
	}
	return scmrights.Item{Name: name, Kind: kind, Mode: scmrights.ModeMove, Access: access, File: os.NewFile(uintptr(n), name)}, nil
}

// kindOf is what the kernel says of a descriptor.
func kindOf(n int) (scmrights.Kind, error) {
	var st unix.Stat_t
	if err := unix.Fstat(n, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return scmrights.KindFile, nil
	case unix.S_IFDIR:
		return scmrights.KindDirectory, nil
	case unix.S_IFIFO:
		return scmrights.KindPipe, nil
	case unix.S_IFSOCK:
		listens, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err != nil {
			return 0, os.NewSyscallError("getsockopt", err)
		}
		if listens != 0 {
			return scmrights.KindListener, nil
		}
		if t, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && t == unix.SOCK_DGRAM {
			return scmrights.KindDatagram, nil
		}
		return scmrights.KindStream, nil
	}
	return scmrights.KindOther, nil
}

// fdSend connects, sends everything in one record, and waits for the receipt.
func fdSend(ctx context.Context, path string, wait time.Duration, items []scmrights.Item) error {
	dialing, cancel := context.WithTimeout(ctx, max(wait, time.Millisecond))
	defer cancel()
	end, err := fdDial(dialing, path)
	if err != nil {
		return err
	}
	conn, err := scmrights.NewConn(end, scmrights.Config{Name: path, ReceiptTimeout: max(wait, time.Second), Resends: -1})
	if err != nil {
		return err
	}
	defer conn.Close()
	proof := scmrights.Trusted("whoever may listen at this path may have what its user sends there")
	grants, err := conn.Offer(proof, items)
	if err != nil {
		return err
	}
	for _, g := range grants {
		switch err := g.Wait(ctx); {
		case errors.Is(err, scmrights.ErrExpired):
			return fmt.Errorf("the receiver at %s has not acknowledged %s within %v: whether it has the descriptors is not known", path, g.Name(), max(wait, time.Second))
		case err != nil:
			return fmt.Errorf("the receiver at %s did not take %s: %w", path, g.Name(), err)
		}
	}
	return nil
}

// fdDial connects to path, again and again until somebody listens there.
func fdDial(ctx context.Context, path string) (*os.File, error) {
	const pause = 10 * time.Millisecond
	for {
		conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Net: "unixpacket", Name: path})
		if err == nil {
			defer conn.Close()
			return conn.File()
		}
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ECONNREFUSED) {
			return nil, fdSocketError(path, err)
		}
		select {
		case <-ctx.Done():
			return nil, exit{exitNoSuch, fmt.Sprintf("nobody listens at %s (%v); start there: sallyport fd recv %s -- COMMAND", path, plainErrno(err), path)}
		case <-time.After(pause):
		}
	}
}

// fdSocketError puts what bind and connect say into words and an exit code.
func fdSocketError(path string, err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return exit{exitNotPermitted, fmt.Sprintf("%s: %v; only the receiver's user and root may use the socket, and nobody without access to its folder", path, plainErrno(err))}
	case errors.Is(err, unix.EADDRINUSE):
		return exit{exitFailed, fmt.Sprintf("%s exists; if nobody listens there any more, remove it", path)}
	case errors.Is(err, unix.EPROTOTYPE):
		return exit{exitFailed, fmt.Sprintf("the socket at %s is of another type: it is not one of `sallyport fd recv`", path)}
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return exit{exitNoSuch, fmt.Sprintf("%s: %v", path, plainErrno(err))}
	}
	return fmt.Errorf("%s: %w", path, plainErrno(err))
}

// plainErrno leaves out what the net package puts around an errno.
func plainErrno(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
