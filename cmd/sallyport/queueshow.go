package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/pkg/sysvctl"
)

// queueRow is a queue as --json prints it. A key is written as ipcs does; times
// that never were are null.
type queueRow struct {
	ID          sysvctl.ID `json:"id"`
	Key         string     `json:"key"`
	UID         uint32     `json:"uid"`
	GID         uint32     `json:"gid"`
	CreatorUID  uint32     `json:"creator_uid"`
	CreatorGID  uint32     `json:"creator_gid"`
	Mode        string     `json:"mode"`
	Permissions string     `json:"permissions"`
	Messages    uint64     `json:"messages"`
	UsedBytes   uint64     `json:"used_bytes"`
	LimitBytes  uint64     `json:"limit_bytes"`
	Paused      bool       `json:"paused"`
	SenderPID   int        `json:"sender_pid"`
	ReceiverPID int        `json:"receiver_pid"` // a thread id, if it was waiting
	Sent        *time.Time `json:"sent"`
	Received    *time.Time `json:"received"`
	Changed     *time.Time `json:"changed"`
}

func rowOf(st sysvctl.Stat) queueRow {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	return queueRow{ID: st.ID, Key: keyText(st.Key), UID: st.UID, GID: st.GID, CreatorUID: st.CUID, CreatorGID: st.CGID,
		Mode: fmt.Sprintf("%04o", st.Mode), Permissions: permissions(st), Messages: st.Messages, UsedBytes: st.Bytes,
		LimitBytes: st.QBytes, Paused: st.QBytes == 0, SenderPID: st.Sender, ReceiverPID: st.Receiver,
		Sent: at(st.Sent), Received: at(st.Received), Changed: at(st.Changed)}
}

func keyText(k sysvctl.Key) string { return fmt.Sprintf("0x%08x", uint32(k)) }

// permissions puts the mode into words. Of the classes the first that matches a
// process decides, so the order is part of the meaning; execute means nothing.
func permissions(st sysvctl.Stat) string {
	owner := userName(st.UID)
	if st.CUID != st.UID {
		owner += " and " + userName(st.CUID)
	}
	group := "group " + groupName(st.GID)
	if st.CGID != st.GID {
		group += " and " + groupName(st.CGID)
	}
	may := func(bits uint32) string {
		return [...]string{"nothing", "nothing", "send", "send", "receive", "receive", "send and receive", "send and receive"}[bits&7]
	}
	return fmt.Sprintf("%s: %s; %s: %s; others: %s", owner, may(st.Mode>>6), group, may(st.Mode>>3), may(st.Mode))
}

func userName(id uint32) string {
	text := strconv.FormatUint(uint64(id), 10)
	if u, err := user.LookupId(text); err == nil {
		return u.Username
	}
	return text
}

func groupName(id uint32) string {
	text := strconv.FormatUint(uint64(id), 10)
	if g, err := user.LookupGroupId(text); err == nil {
		return g.Name
	}
	return text
}

func queueStat(f *queueFlags) *cobra.Command {
	return &cobra.Command{
		Use: "stat QUEUE", Short: "show the state of a queue, with its permissions in words", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if isLane(args[0]) {
				return f.operateLane(c, "stat", args[0], nil)
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			return f.showQueue(c.OutOrStdout(), q)
		},
	}
}

func (f *queueFlags) showQueue(out io.Writer, q *sysvctl.Queue) error {
	st, err := q.Stat()
	if err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(out, rowOf(st))
	}
	fmt.Fprintf(out, "queue %d, key %s\n", st.ID, keyText(st.Key))
	for _, line := range [][2]string{
		{"messages", strconv.FormatUint(st.Messages, 10)},
		{"bytes", fmt.Sprintf("%d of %d%s", st.Bytes, st.QBytes, map[bool]string{true: " (paused: nothing can be sent)"}[st.QBytes == 0])},
		{"mode", fmt.Sprintf("%04o", st.Mode)},
		{"may", permissions(st)},
		{"owner", fmt.Sprintf("user %s, group %s", userName(st.UID), groupName(st.GID))},
		{"creator", fmt.Sprintf("user %s, group %s (keeps control for good)", userName(st.CUID), groupName(st.CGID))},
		{"last sender", process(st.Sender, st.Sent, "process")},
		{"last receiver", process(st.Receiver, st.Received, "process or thread")},
		{"last change", st.Changed.Local().Format(time.DateTime)},
	} {
		fmt.Fprintf(out, "  %-13s  %s\n", line[0], line[1])
	}
	return nil
}

func process(pid int, at time.Time, what string) string {
	if at.IsZero() {
		return "none yet"
	}
	return fmt.Sprintf("%s %d at %s", what, pid, at.Local().Format(time.DateTime))
}

func queueList(f *queueFlags) *cobra.Command {
	var lanes bool
	c := &cobra.Command{
		Use: "list", Short: "list all queues of this machine, or the supervisor's lanes", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if lanes {
				items, err := f.askLane(c.Context(), map[string]any{"do": "list"})
				if err != nil {
					return err
				}
				if f.asJSON {
					return printRaw(c.OutOrStdout(), items)
				}
				return showLanes(c.OutOrStdout(), items)
			}
			all, err := sysvctl.List()
			if err != nil {
				return err
			}
			return f.showList(c.OutOrStdout(), all)
		},
	}
	c.Flags().BoolVar(&lanes, "lanes", false, "the lanes of the supervisor at --socket")
	return c
}

func (f *queueFlags) showList(out io.Writer, all []sysvctl.Stat) error {
	if f.asJSON {
		for _, st := range all {
			if err := printJSON(out, rowOf(st)); err != nil {
				return err
			}
		}
		return nil
	}
	t := lightTable(out, table.Row{"id", "key", "mode", "messages", "bytes", "limit", "may"})
	for _, st := range all {
		t.AppendRow(table.Row{st.ID, keyText(st.Key), fmt.Sprintf("%04o", st.Mode), st.Messages, st.Bytes, st.QBytes, permissions(st)})
	}
	t.Render()
	u, err := sysvctl.ReadUsage()
	if err != nil {
		return err
	}
	l, err := sysvctl.ReadLimits()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s of at most %d; %s, %s; a new queue holds %d bytes, a message at most %d\n",
		plural(u.Queues, "queue"), l.Queues, plural(u.Messages, "message"), plural(u.Bytes, "byte"), l.QBytes, l.Size)
	return nil
}

// laneRow is what is shown of a lane, or of a message that a drain took away.
type laneRow struct {
	Lane       string `json:"lane"`
	State      string `json:"state"`
	ID         int    `json:"id"`
	Mode       string `json:"mode"`
	Messages   uint64 `json:"messages"`
	UsedBytes  uint64 `json:"used_bytes"`
	LimitBytes uint64 `json:"limit_bytes"`
	SizeBytes  uint64 `json:"size_bytes"`
	Type       int64  `json:"type"`
	Text       string `json:"text"`
}

func showLanes(out io.Writer, items []json.RawMessage) error {
	t := lightTable(out, table.Row{"lane", "state", "id", "mode", "messages", "bytes", "limit", "configured"})
	for _, item := range items {
		var l laneRow
		if err := json.Unmarshal(item, &l); err != nil {
			return fmt.Errorf("answer of the supervisor: %w", err)
		}
		if l.Lane == "" {
			fmt.Fprintf(out, "type %d, %s: %s\n", l.Type, plural(l.SizeBytes, "byte"), l.Text)
			continue
		}
		t.AppendRow(table.Row{l.Lane, l.State, l.ID, l.Mode, l.Messages, l.UsedBytes, l.LimitBytes, l.SizeBytes})
	}
	t.Render()
	return nil
}

func lightTable(out io.Writer, header table.Row) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(header)
	return t
}

// bar shows how full something is, in width characters.
func bar(used, limit uint64, width int) string {
	full := width
	if used < limit {
		full = int(used * uint64(width) / limit)
	}
	if used == 0 {
		full = 0
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}
