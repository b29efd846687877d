package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

const (
	topEvery = time.Second            // between two looks at status and lanes
	topRetry = 500 * time.Millisecond // before another try to follow the events
)

func topCommand() *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use: "top", Short: "a live view: workers, lanes, sensors, events; q ends it", Args: exactly(0),
		Long: "Shows workers with their states, lanes as bars, the last values of every sensor as a line, and\n" +
			"what happens. q or Ctrl-C ends it. Where the output is no terminal it prints one picture.",
		RunE: func(c *cobra.Command, _ []string) error {
			view := newTop(os.Getenv("NO_COLOR") == "")
			client := control.Client{Path: socket}
			if !isatty.IsTerminal(os.Stdout.Fd()) {
				return printTop(c, client, view)
			}
			return runTop(c.Context(), client, view)
		},
	}
	addSocket(c, &socket)
	return c
}

// printTop prints one picture, with the events that the supervisor remembers.
func printTop(c *cobra.Command, client control.Client, view *top) error {
	look := lookAt(c.Context(), client)
	if look.err != nil {
		return look.err
	}
	view.color = false
	view.take(look)
	ctx, cancel := context.WithTimeout(c.Context(), topEvery)
	defer cancel()
	for line, err := range client.Events(ctx) {
		if err != nil {
			return err
		}
		if at, e, err := control.Decode(line); err == nil {
			view.happened(at, e)
		}
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), view.View())
	return err
}

// runTop shows it until somebody ends it.
func runTop(ctx context.Context, client control.Client, view *top) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	view.look = func() tea.Msg { return lookAt(ctx, client) }
	program := tea.NewProgram(view, tea.WithAltScreen(), tea.WithContext(ctx))
	go followFor(ctx, client, program)
	if _, err := program.Run(); err != nil && !errors.Is(err, tea.ErrProgramKilled) {
		return err
	}
	return nil
}

// happening is an event as a message of the program.
type happening struct {
	at    time.Time
	event control.Event
}

// followFor gives the events to the program, from whatever supervisor answers.
func followFor(ctx context.Context, client control.Client, program *tea.Program) {
	for ctx.Err() == nil {
		for line, err := range client.Events(ctx) {
			if err != nil {
				break // the looks at the status say it
			}
			if at, e, err := control.Decode(line); err == nil {
				program.Send(happening{at, e})
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(topRetry):
		}
	}
}

// looked is what one look at the supervisor gave.
type looked struct {
	report statusReport
	lanes  []laneMetrics
	err    error
}

func lookAt(ctx context.Context, client control.Client) looked {
	items, err := client.Ask(ctx, "status", nil)
	if err != nil {
		return looked{err: err}
	}
	report, err := parseStatus(items)
	if err != nil {
		return looked{err: err}
	}
	items, err = client.Ask(ctx, "queue", map[string]string{"do": "list"})
	if err != nil {
		return looked{err: err}
	}
	out := looked{report: report}
	for _, item := range items {
		var l laneMetrics
		if err := json.Unmarshal(item, &l); err != nil {
			return looked{err: fmt.Errorf("queue list: %w", err)}
		}
		out.lanes = append(out.lanes, l)
	}
	return out
}
