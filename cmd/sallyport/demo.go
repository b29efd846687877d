package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/install"
)

const (
	leastDemo    = 8 * time.Second  // all three things have been shown by then
	firstKill    = 6 * time.Second  // after the start
	killInterval = 10 * time.Second // and again
	startTime    = 5 * time.Second  // for the control socket to answer
	stopTime     = 12 * time.Second // for the supervisor's ordered stop
)

func demoCommand() *cobra.Command {
	d := &demo{}
	c := &cobra.Command{
		Use: "demo", Short: "see it work: no configuration, no hardware, root or not", Args: exactly(0),
		Long: "Runs the sensor logger on this machine's own sensors and a simulated fridge, as root with\n" +
			"everything enforced, otherwise in a user namespace. Every 10 s it shows an alert that\n" +
			"overtakes queued readings, a forbidden call named in words, and a killed worker that gets\n" +
			"its descriptors again. Ctrl-C ends it; only the data directory that it names stays.",
		RunE: func(c *cobra.Command, _ []string) error {
			if d.length != 0 && d.length < leastDemo {
				return exit{exitUsage, fmt.Sprintf("--for %v is too short: the demo needs %v to show everything", d.length, leastDemo)}
			}
			d.out = c.OutOrStdout()
			return d.run(c.Context())
		},
	}
	c.Flags().DurationVar(&d.length, "for", 0, "end after this time (at least 8s); 0 runs until Ctrl-C")
	c.Flags().BoolVar(&d.json, "json", false, "one JSON object a line, the last one the summary")
	c.Flags().BoolVar(&d.verbose, "verbose", false, "show the supervisor's log as well")
	return c
}

// demo runs the real supervisor on the example's configuration and provokes it.
type demo struct {
	length        time.Duration
	json, verbose bool
	out           io.Writer

	show    shower
	client  control.Client
	summary *control.Summary // the supervisor's own, once it was printed
}

func (d *demo) run(ctx context.Context) (err error) {
	// PDEATHSIG follows the thread that starts the child: keep this one.
	runtime.LockOSThread()
	programs, err := install.Find()
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "sallyport-demo-")
	if err != nil {
		return err
	}
	missing, _, _ := install.Here{Rootless: os.Geteuid() != 0, Others: true}.Missing()
	files, err := writeDemo(home, missing)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(files.config)))
		_ = os.Remove(home) // stays when there are data in it
	}()
	d.show = shower{out: d.out}
	d.client = control.Client{Path: files.socket}
	level := "error"
	if d.verbose {
		level = "debug"
	}
	parent, err := startSupervisor(programs, files.config, level)
	if err != nil {
		return err
	}
	defer parent.stop()
	if !d.json {
		d.introduce(files, missing)
	}
	events, err := d.connect(ctx, parent)
	if err != nil {
		return err
	}
	err = d.follow(ctx, parent, events)
	code := parent.stop()
	if d.summary == nil {
		d.print(mustEncode(d.show.missingSummary()))
	}
	if !d.json {
		fmt.Fprintf(d.out, "\nThe readings are in %s\n", files.data)
	}
	switch {
	case err != nil:
		return err
	case code != 0:
		return exit{exitFailed, fmt.Sprintf("the supervisor ended by itself (%v); its log is above", parent.cmd.ProcessState)}
	case d.summary != nil && (d.summary.LeakedFDs != 0 || d.summary.LeakedQueues != 0):
		return exit{exitFailed, "the supervisor left something open; the summary has the figures, its log the names"}
	}
	return nil
}

func (d *demo) introduce(files demoFiles, missing []install.Protection) {
	fmt.Fprintf(d.out, "sensor-logger demo: sampler, store, alarm and rogue, each confined; Ctrl-C ends it, data in %s\n", files.data)
	for _, p := range missing {
		fmt.Fprintf(d.out, "not enforced here: %s: %s\n", p.Name, p.Why)
	}
}

// connect waits until the supervisor's control socket gives events.
func (d *demo) connect(ctx context.Context, parent *parent) (<-chan []byte, error) {
	deadline := time.After(startTime)
	for {
		if _, err := d.client.Ask(ctx, "status", nil); err == nil {
			break
		}
		select {
		case <-parent.done:
			if code := parent.code(); code > 0 {
				return nil, exit{code, ""} // it said why itself
			}
			return nil, exit{exitFailed, "the supervisor ended before it answered: " + parent.cmd.ProcessState.String()}
		case <-deadline:
			return nil, fmt.Errorf("the supervisor did not answer on %s within %v", d.client.Path, startTime)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		// Not ctx: the last events come after Ctrl-C.
		for line, err := range d.client.Events(context.Background()) {
			if err != nil {
				return
			}
			lines <- append([]byte(nil), line...)
		}
	}()
	return lines, nil
}

// follow prints events and provokes, until the time is over, somebody ends it,
// or the supervisor is gone; then it prints what comes in the ordered stop.
func (d *demo) follow(ctx context.Context, parent *parent, events <-chan []byte) error {
	var over <-chan time.Time
	if d.length > 0 {
		over = time.After(d.length)
	}
	kill := time.NewTimer(firstKill)
	defer kill.Stop()
	stop := func() { parent.terminate(); over, kill.C = nil, nil }
	cancelled := ctx.Done()
	for {
		select {
		case line, open := <-events:
			if !open {
				return nil
			}
			d.print(line)
		case <-kill.C:
			kill.Reset(killInterval)
			if err := d.killSampler(ctx); err != nil {
				return err
			}
		case <-over:
			stop()
		case <-cancelled:
			cancelled = nil
			stop()
		}
	}
}

func (d *demo) print(line []byte) {
	at, e, err := control.Decode(line)
	if sum, ok := e.(control.Summary); ok {
		d.summary = &sum
	}
	switch {
	case d.json:
		fmt.Fprintf(d.out, "%s\n", line)
	case err == nil:
		d.show.event(at, e)
	}
	if err == nil {
		d.show.count(e)
	}
}
