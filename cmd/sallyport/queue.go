package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/pkg/sysvctl"
)

const queueHelp = `Look at and control System V message queues.

A queue of this machine is named by its id (3, id=3) or its key (0x4d2, key=1234);
a plain number is an id, or else a key. A lane of a running supervisor is named
QUEUE/KIND/FROM/TO, as "queue list --lanes" shows it; it is reached through the
supervisor's control socket, for lanes live in an IPC namespace of their own.`

// queueFlags are the flags of every queue verb.
type queueFlags struct {
	asJSON bool
	socket string
}

func queueCommand() *cobra.Command {
	f := &queueFlags{}
	c := &cobra.Command{
		Use: "queue", Short: "look at and control System V message queues and the supervisor's lanes", Long: queueHelp,
		Args: exactly(0), RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().BoolVar(&f.asJSON, "json", false, "one JSON object a line")
	c.PersistentFlags().StringVar(&f.socket, "socket", defaultSocket, "control socket of the supervisor, for lanes")
	c.AddCommand(queueStat(f), queueList(f), queueWatch(f), queuePeek(f),
		queuePause(f), queueResume(f), queueThrottle(f), queueRevoke(f), queuePermit(f), queueDrain(f),
		queueSnapshot(f), queueRestore(f), queueRemove(f),
		queueSend(f), queueReceive(f), queueCall(f), queueServe(f))
	return c
}

// isLane: no key and no id has a slash in it.
func isLane(name string) bool { return strings.Contains(name, "/") }

// ours refuses lanes where only a queue of this machine will do.
func ours(name, verb string) error {
	if isLane(name) {
		return exit{exitUsage, fmt.Sprintf("queue %s: %s is a lane; only its worker may use it, "+
			"and the supervisor can list, stat, watch, pause, resume, throttle, revoke, permit and drain it", verb, name)}
	}
	return nil
}

// findQueue resolves the name of a queue of this machine.
func findQueue(name string) (*sysvctl.Queue, error) {
	kind, text, named := strings.Cut(name, "=")
	if !named {
		kind, text = "", name
		if strings.HasPrefix(name, "0x") {
			kind = "key"
		}
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil || n < -1<<31 || n > 1<<32-1 || kind != "" && kind != "id" && kind != "key" {
		return nil, exit{exitUsage, fmt.Sprintf("%q names no queue: want an id (3, id=3), a key (0x4d2, key=1234), or a lane (QUEUE/KIND/FROM/TO)", name)}
	}
	anyone := sysvctl.Wanted{Anyone: true}
	var byID, byKey *sysvctl.Queue
	if kind != "key" && n >= 0 && n < 1<<31 {
		if byID, err = sysvctl.FromID(sysvctl.ID(n), anyone); err != nil && !errors.Is(err, sysvctl.ErrRemoved) {
			return nil, err
		}
	}
	if kind != "id" && n != 0 {
		if byKey, err = sysvctl.Open(sysvctl.Key(int32(n)), anyone); err != nil && !errors.Is(err, sysvctl.ErrNotExist) {
			return nil, err
		}
	}
	switch {
	case byID != nil && byKey != nil && byID.ID() != byKey.ID():
		return nil, exit{exitUsage, fmt.Sprintf("%s is the id of one queue and the key of another: say id=%s or key=%s", name, name, name)}
	case byID != nil:
		return byID, nil
	case byKey != nil:
		return byKey, nil
	}
	return nil, exit{exitNoSuch, fmt.Sprintf("no queue of this machine has the %s; `sallyport queue list` shows all",
		map[string]string{"id": "id " + text, "key": "key " + text, "": "id or key " + text}[kind])}
}

// askLane gives the supervisor one order, and its items to show.
func (f *queueFlags) askLane(ctx context.Context, order map[string]any) ([]json.RawMessage, error) {
	return control.Client{Path: f.socket}.Ask(ctx, "queue", order)
}

// operateLane gives an order about one lane and shows how it is then.
func (f *queueFlags) operateLane(c *cobra.Command, do, lane string, more map[string]any) error {
	order := map[string]any{"do": do, "lane": lane}
	for k, v := range more {
		order[k] = v
	}
	items, err := f.askLane(c.Context(), order)
	if err != nil {
		return err
	}
	if f.asJSON {
		return printRaw(c.OutOrStdout(), items)
	}
	return showLanes(c.OutOrStdout(), items)
}

func printRaw(out io.Writer, items []json.RawMessage) error {
	for _, item := range items {
		if _, err := fmt.Fprintf(out, "%s\n", item); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(out io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}

// plural counts things in words.
func plural(n uint64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
