package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/pkg/sysvctl"
)

// A snapshot is JSON lines: one about the queue, then one a message.
const (
	snapshotFormat = "sallyport-queue/1"
	maxLine        = 64 << 20 // bytes; msgmax has no limit of its own
)

type snapshotHead struct {
	Format     string     `json:"format"`
	Taken      time.Time  `json:"taken"`
	ID         sysvctl.ID `json:"id"`
	Key        string     `json:"key"`
	UID        uint32     `json:"uid"`
	GID        uint32     `json:"gid"`
	Mode       string     `json:"mode"`
	LimitBytes uint64     `json:"limit_bytes"`
	Messages   int        `json:"messages"`
	Steady     bool       `json:"steady"`
}

func queueSnapshot(f *queueFlags) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "snapshot QUEUE", Short: "write a queue with all its messages as JSON lines, and take none", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if err := ours(args[0], "snapshot"); err != nil {
				return err
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			s, err := q.Snapshot()
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			if file != "" {
				w, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return err
				}
				defer func() {
					if cerr := w.Close(); err == nil {
						err = cerr
					}
				}()
				out = w
			}
			if !s.Steady {
				said("the queue was in use while it was read: messages may be missing, or there twice; pause it first")
			}
			return writeSnapshot(out, s)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "a new file to write to, instead of standard output")
	return c
}

func writeSnapshot(out io.Writer, s sysvctl.Snapshot) error {
	w := bufio.NewWriter(out)
	head := snapshotHead{Format: snapshotFormat, Taken: s.Taken.UTC(), ID: s.Stat.ID, Key: keyText(s.Stat.Key), UID: s.Stat.UID, GID: s.Stat.GID,
		Mode: fmt.Sprintf("%04o", s.Stat.Mode), LimitBytes: s.Stat.QBytes, Messages: len(s.Messages), Steady: s.Steady}
	if err := printJSON(w, head); err != nil {
		return err
	}
	for _, m := range s.Messages {
		if err := printJSON(w, messageOf(m)); err != nil {
			return err
		}
	}
	return w.Flush()
}

// readSnapshot believes nothing: a file can be cut, or something else.
func readSnapshot(in io.Reader) (s sysvctl.Snapshot, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	var head snapshotHead
	if !lines.Scan() {
		return s, fmt.Errorf("snapshot: no first line: %w", orEOF(lines.Err()))
	}
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil || head.Format != snapshotFormat {
		return s, fmt.Errorf("snapshot: the first line is not of a %s file", snapshotFormat)
	}
	key, err := strconv.ParseUint(head.Key, 0, 32)
	if err != nil {
		return s, fmt.Errorf("snapshot: key: %w", err)
	}
	mode, err := strconv.ParseUint(head.Mode, 8, 9)
	if err != nil {
		return s, fmt.Errorf("snapshot: mode: %w", err)
	}
	s = sysvctl.Snapshot{Taken: head.Taken, Steady: head.Steady, Stat: sysvctl.Stat{ID: head.ID, Key: sysvctl.Key(int32(uint32(key))),
		UID: head.UID, GID: head.GID, Mode: uint32(mode), QBytes: head.LimitBytes}}
	for lines.Scan() {
		var m messageRow
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return s, fmt.Errorf("snapshot: message %d: %w", len(s.Messages), err)
		}
		s.Messages = append(s.Messages, sysvctl.Message{Type: m.Type, Data: m.Data})
	}
	if err := lines.Err(); err != nil {
		return s, fmt.Errorf("snapshot: %w", err)
	}
	if len(s.Messages) != head.Messages {
		return s, fmt.Errorf("snapshot: %d messages, the first line says %d: the file was cut", len(s.Messages), head.Messages)
	}
	return s, nil
}

func orEOF(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

func queueRestore(f *queueFlags) *cobra.Command {
	var sameID bool
	var into string
	c := &cobra.Command{
		Use: "restore FILE", Short: "make the queue of a snapshot again, or fill one with its messages", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if sameID && into != "" {
				return exit{exitUsage, "restore: --same-id and --into exclude each other"}
			}
			in := c.InOrStdin()
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					if os.IsNotExist(err) {
						return exit{exitNoSuch, err.Error()}
					}
					return err
				}
				defer file.Close()
				in = file
			}
			s, err := readSnapshot(in)
			if err != nil {
				return err
			}
			var q *sysvctl.Queue
			if into == "" {
				q, err = sysvctl.Restore(s, sameID)
			} else if q, err = findQueue(into); err == nil {
				var n int
				if n, err = q.Fill(s); err != nil {
					err = fmt.Errorf("after %d of %d messages: %w", n, len(s.Messages), err)
				}
			}
			if err != nil {
				return err
			}
			return f.told(c.OutOrStdout(), q, "restore", 0, "has %s of the snapshot", plural(uint64(len(s.Messages)), "message"))
		},
	}
	c.Flags().BoolVar(&sameID, "same-id", false, "with the same id (needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE)")
	c.Flags().StringVar(&into, "into", "", "send the messages to this queue, and make none")
	return c
}
