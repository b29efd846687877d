package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/pkg/sysvctl"
)

// changed is the answer of a verb that changed a queue.
type changed struct {
	queueRow
	Did         string `json:"did"`
	BeforeBytes uint64 `json:"before_bytes,omitempty"` // the size before, of a pause or a throttle
}

func (f *queueFlags) told(out io.Writer, q *sysvctl.Queue, did string, before uint64, format string, args ...any) error {
	if !f.asJSON {
		_, err := fmt.Fprintf(out, "queue %d: "+format+"\n", append([]any{q.ID()}, args...)...)
		return err
	}
	st, err := q.Stat()
	if err != nil {
		return err
	}
	return printJSON(out, changed{rowOf(st), did, before})
}

func queuePause(f *queueFlags) *cobra.Command {
	return &cobra.Command{
		Use: "pause QUEUE", Short: "let nothing in; what is queued can be received", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if isLane(args[0]) {
				return f.operateLane(c, "pause", args[0], nil)
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			before, err := q.Pause()
			if err != nil {
				return err
			}
			return f.told(c.OutOrStdout(), q, "pause", before,
				"paused; its size was %d bytes. To let senders in again: sallyport queue resume %d --bytes %d", before, q.ID(), before)
		},
	}
}

func queueResume(f *queueFlags) *cobra.Command {
	var bytes uint64
	c := &cobra.Command{
		Use: "resume QUEUE", Short: "end a pause or a throttle", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if isLane(args[0]) {
				return f.operateLane(c, "resume", args[0], nil)
			}
			q, err := findQueue(args[0])
			if err == nil {
				err = q.Resume(bytes)
			}
			if err != nil {
				return err
			}
			return f.told(c.OutOrStdout(), q, "resume", 0, "takes messages again")
		},
	}
	c.Flags().Uint64Var(&bytes, "bytes", 0, "size of the queue; 0 is that of a new one (a lane has its configured size)")
	return c
}

func queueThrottle(f *queueFlags) *cobra.Command {
	return &cobra.Command{
		Use: "throttle QUEUE BYTES", Short: "let less be queued", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			bytes, err := strconv.ParseUint(args[1], 10, 63)
			if err != nil || bytes == 0 {
				return exit{exitUsage, fmt.Sprintf("throttle: %q is no number of bytes, 1 or more", args[1])}
			}
			if isLane(args[0]) {
				return f.operateLane(c, "throttle", args[0], map[string]any{"bytes": bytes})
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			before, err := q.Throttle(bytes)
			if err != nil {
				return err
			}
			return f.told(c.OutOrStdout(), q, "throttle", before,
				"holds at most %d bytes now. To undo it: sallyport queue resume %d --bytes %d", min(bytes, before), q.ID(), before)
		},
	}
}

func queueRevoke(f *queueFlags) *cobra.Command {
	var direction string
	c := &cobra.Command{
		Use: "revoke QUEUE", Short: "take the right to send (or receive) from all but the owner, at once", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, known := map[string]sysvctl.Dir{"send": sysvctl.Senders, "receive": sysvctl.Receivers, "both": sysvctl.Senders | sysvctl.Receivers}[direction]
			if !known {
				return exit{exitUsage, fmt.Sprintf("revoke --direction %s: want send, receive or both", direction)}
			}
			if isLane(args[0]) {
				if d != sysvctl.Senders {
					return exit{exitUsage, "revoke: of a lane only the right to send can be taken; its receiver is pinned to it"}
				}
				return f.operateLane(c, "revoke", args[0], nil)
			}
			q, err := findQueue(args[0])
			if err == nil {
				err = q.Revoke(d)
			}
			if err != nil {
				return err
			}
			return f.told(c.OutOrStdout(), q, "revoke", 0, "only its owner may %s now; who waited was woken with an error",
				map[sysvctl.Dir]string{sysvctl.Senders: "send", sysvctl.Receivers: "receive"}[d]+map[bool]string{true: "use it"}[direction == "both"])
		},
	}
	c.Flags().StringVar(&direction, "direction", "send", "send, receive or both")
	return c
}

func queuePermit(f *queueFlags) *cobra.Command {
	var mode string
	var gid int64
	c := &cobra.Command{
		Use: "permit QUEUE", Short: "set who may send and receive; end the revoke of a lane", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if isLane(args[0]) {
				return f.operateLane(c, "permit", args[0], nil)
			}
			bits, err := strconv.ParseUint(mode, 8, 32)
			if err != nil || bits > 0o777 {
				return exit{exitUsage, fmt.Sprintf("permit --mode %q: want permission bits in octal, as 0660; r receives, w sends", mode)}
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			_, err = q.Set(func(a *sysvctl.Attr) {
				a.Mode = uint32(bits)
				if gid >= 0 {
					a.GID = uint32(gid)
				}
			})
			if err != nil {
				return err
			}
			st, err := q.Stat()
			if err != nil {
				return err
			}
			return f.told(c.OutOrStdout(), q, "permit", 0, "mode %04o: %s", st.Mode, permissions(st))
		},
	}
	c.Flags().StringVar(&mode, "mode", "", "permission bits in octal: r receives, w sends (needed for a queue of this machine)")
	c.Flags().Int64Var(&gid, "gid", -1, "group id to give the queue to")
	return c
}

func queueDrain(f *queueFlags) *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "drain QUEUE", Short: "take away, and print, what is queued", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if isLane(args[0]) {
				return f.operateLane(c, "drain", args[0], map[string]any{"within_ms": wait.Milliseconds()})
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), wait)
			defer cancel()
			var broken error // of our own output: go on, or messages would be lost unsaid
			n, err := q.Drain(ctx, func(m sysvctl.Message) {
				if perr := f.showMessage(c.OutOrStdout(), m); perr != nil && broken == nil {
					broken = perr
				}
			})
			if err == nil {
				err = broken
			}
			if err == nil && !f.asJSON {
				_, err = fmt.Fprintf(c.OutOrStdout(), "queue %d: %s taken away\n", q.ID(), plural(uint64(n), "message"))
			}
			return err
		},
	}
	c.Flags().DurationVar(&wait, "within", 5*time.Second, "end after this time, for a queue that fills as fast")
	return c
}

func queueRemove(f *queueFlags) *cobra.Command {
	return &cobra.Command{
		Use: "remove QUEUE", Short: "remove a queue with all that is in it", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := ours(args[0], "remove"); err != nil {
				return err
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			st, err := q.Stat()
			if err == nil {
				err = q.Remove()
			}
			if err != nil {
				return err
			}
			if f.asJSON {
				return printJSON(c.OutOrStdout(), changed{rowOf(st), "remove", 0})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "queue %d: removed, and %s with it\n", q.ID(), plural(st.Messages, "message"))
			return err
		},
	}
}
