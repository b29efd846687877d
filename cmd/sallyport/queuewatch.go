package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sallyport/pkg/sysvctl"
)

const (
	leastEvery = 50 * time.Millisecond
	barWidth   = 30
)

// glance is one line of a watch.
type glance struct {
	item                  any // for --json
	name                  string
	messages, used, limit uint64
	sender, receiver      int
}

func (g glance) line(width int) string {
	state := ""
	if g.limit == 0 {
		state = "  paused"
	}
	full := max(g.used, g.messages) // msg_qbytes bounds both
	return fmt.Sprintf("%-*s %s %8s  %d of %d bytes%s  last sender %d, receiver %d",
		width, g.name, bar(full, g.limit, barWidth), plural(g.messages, "message"), g.used, g.limit, state, g.sender, g.receiver)
}

func queueWatch(f *queueFlags) *cobra.Command {
	var every, stop time.Duration
	c := &cobra.Command{
		Use: "watch [QUEUE...]", Short: "follow how full queues are, until Ctrl-C; without a name all of this machine",
		RunE: func(c *cobra.Command, args []string) error {
			if every < leastEvery {
				return exit{exitUsage, fmt.Sprintf("--every %v: at least %v", every, leastEvery)}
			}
			look, err := f.looker(args)
			if err != nil {
				return err
			}
			ctx := c.Context()
			if stop > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, stop)
				defer cancel()
			}
			return f.watch(ctx, c.OutOrStdout(), look, every)
		},
	}
	c.Flags().DurationVar(&every, "every", time.Second, "how often to look")
	c.Flags().DurationVar(&stop, "for", 0, "end after this time")
	return c
}

// looker looks at all named queues once. What is gone is left out; when nothing
// named is left it fails with ErrRemoved.
func (f *queueFlags) looker(names []string) (func(context.Context) ([]glance, error), error) {
	if len(names) == 0 {
		return func(context.Context) ([]glance, error) {
			all, err := sysvctl.List()
			var seen []glance
			for _, st := range all {
				seen = append(seen, glanceAt(st))
			}
			return seen, err
		}, nil
	}
	queues := map[string]*sysvctl.Queue{}
	for _, name := range names {
		if isLane(name) {
			continue
		}
		q, err := findQueue(name)
		if err != nil {
			return nil, err
		}
		queues[name] = q
	}
	return func(ctx context.Context) (seen []glance, err error) {
		for _, name := range names {
			var g glance
			if isLane(name) {
				g, err = f.glanceAtLane(ctx, name)
			} else {
				var st sysvctl.Stat
				st, err = queues[name].Stat()
				g = glanceAt(st)
			}
			switch {
			case errors.Is(err, sysvctl.ErrRemoved):
			case err != nil:
				return seen, err
			default:
				seen = append(seen, g)
			}
		}
		if len(seen) == 0 {
			return nil, err
		}
		return seen, nil
	}, nil
}

func glanceAt(st sysvctl.Stat) glance {
	return glance{item: rowOf(st), name: fmt.Sprintf("queue %d", st.ID), messages: st.Messages, used: st.Bytes, limit: st.QBytes,
		sender: st.Sender, receiver: st.Receiver}
}

func (f *queueFlags) glanceAtLane(ctx context.Context, name string) (glance, error) {
	items, err := f.askLane(ctx, map[string]any{"do": "stat", "lane": name})
	if err != nil || len(items) != 1 {
		return glance{}, err
	}
	var l struct {
		laneRow
		SenderPID   int `json:"sender_pid"`
		ReceiverPID int `json:"receiver_pid"`
	}
	if err := json.Unmarshal(items[0], &l); err != nil {
		return glance{}, fmt.Errorf("answer of the supervisor: %w", err)
	}
	return glance{item: items[0], name: l.Lane, messages: l.Messages, used: l.UsedBytes, limit: l.LimitBytes,
		sender: l.SenderPID, receiver: l.ReceiverPID}, nil
}

// watch draws in place on a terminal, and else line after line.
func (f *queueFlags) watch(ctx context.Context, out io.Writer, look func(context.Context) ([]glance, error), every time.Duration) error {
	redraw := !f.asJSON && columns(out) > 0
	tick := time.NewTicker(every)
	defer tick.Stop()
	for drawn := 0; ; {
		seen, err := look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, sysvctl.ErrRemoved) {
			if !f.asJSON {
				fmt.Fprintln(out, "removed: there is nothing left to watch")
			}
			return nil
		}
		if err != nil {
			return err
		}
		if redraw && drawn > 0 {
			fmt.Fprintf(out, "\x1b[%dA\x1b[J", drawn)
		}
		if drawn, err = f.draw(out, seen); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (f *queueFlags) draw(out io.Writer, seen []glance) (lines int, err error) {
	width := 0
	for _, g := range seen {
		width = max(width, len(g.name))
	}
	for _, g := range seen {
		if f.asJSON {
			err = printJSON(out, g.item)
		} else {
			line := g.line(width)
			if w := columns(out); w > 0 {
				line = line[:min(len(line), w)] // a line that wraps could not be drawn over
			}
			_, err = fmt.Fprintln(out, line)
		}
		if err != nil {
			return lines, err // the reader went away
		}
		lines++
	}
	return lines, nil
}

// columns is the width of the terminal that out is, 0 when it is none.
func columns(out io.Writer) int {
	if out != os.Stdout {
		return 0
	}
	size, err := unix.IoctlGetWinsize(unix.Stdout, unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return max(int(size.Col), 1)
}
