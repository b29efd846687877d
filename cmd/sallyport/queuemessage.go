package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"sallyport/pkg/sysvctl"
)

// messageRow is a message as --json prints it. Data is base64; Text is there
// when the data is UTF-8.
type messageRow struct {
	Index *int         `json:"index,omitempty"` // of a peek
	Type  sysvctl.Type `json:"type"`
	Bytes int          `json:"size_bytes"`
	Data  []byte       `json:"data"`
	Text  *string      `json:"text,omitempty"`
}

func messageOf(m sysvctl.Message) messageRow {
	row := messageRow{Type: m.Type, Bytes: len(m.Data), Data: m.Data}
	if utf8.Valid(m.Data) {
		text := string(m.Data)
		row.Text = &text
	}
	return row
}

// showMessage quotes: what is in a queue may be anything.
func (f *queueFlags) showMessage(out io.Writer, m sysvctl.Message) error {
	if f.asJSON {
		return printJSON(out, messageOf(m))
	}
	_, err := fmt.Fprintf(out, "type %d, %s: %q\n", m.Type, plural(uint64(len(m.Data)), "byte"), m.Data)
	return err
}

// patience is the flag --wait: below zero it is without end.
type patience struct{ wait time.Duration }

func (p *patience) flag(c *cobra.Command, what string) {
	c.Flags().DurationVar(&p.wait, "wait", -1, "how long to wait for "+what+"; 0 does not wait, without the flag it waits until Ctrl-C")
}

func (p *patience) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.wait < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, p.wait)
}

// explain says what ran out of time; what the user ended needs no words.
func (p *patience) explain(c *cobra.Command, err error, what string) error {
	switch {
	case c.Context().Err() != nil:
		return exit{exitFailed, ""}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, sysvctl.ErrFull), errors.Is(err, sysvctl.ErrNoMessage):
		return exit{exitFailed, fmt.Sprintf("%s in %v: %v", what, max(p.wait, 0), err)}
	}
	return err
}

func queuePeek(f *queueFlags) *cobra.Command {
	var size int
	c := &cobra.Command{
		Use: "peek QUEUE", Short: "print what is queued, oldest first, and leave it there", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := ours(args[0], "peek"); err != nil {
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
			for i, m := range s.Messages {
				if f.asJSON {
					row := messageOf(m)
					row.Index = &i
					err = printJSON(c.OutOrStdout(), row)
				} else {
					shown, more := m.Data, ""
					if len(shown) > size {
						shown, more = shown[:size], " ..."
					}
					_, err = fmt.Fprintf(c.OutOrStdout(), "%d: type %d, %s: %q%s\n", i, m.Type, plural(uint64(len(m.Data)), "byte"), shown, more)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().IntVar(&size, "size", 64, "bytes of each message that are shown")
	return c
}

func queueSend(f *queueFlags) *cobra.Command {
	var mtype int64
	var nul bool
	var p patience
	c := &cobra.Command{
		Use: "send QUEUE [TEXT]", Short: "send a message: the text, or else standard input",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return exit{exitUsage, "usage: " + c.UseLine()}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := ours(args[0], "send"); err != nil {
				return err
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			var data []byte
			if len(args) == 2 {
				data = []byte(args[1])
			} else if data, err = io.ReadAll(c.InOrStdin()); err != nil {
				return err
			}
			if nul {
				data = append(data, 0)
			}
			if p.wait == 0 {
				return p.explain(c, q.TrySend(sysvctl.Type(mtype), data), "no room")
			}
			ctx, cancel := p.context(c.Context())
			defer cancel()
			return p.explain(c, q.Send(ctx, sysvctl.Type(mtype), data), "no room")
		},
	}
	c.Flags().Int64Var(&mtype, "type", 1, "type of the message, 1 or more")
	c.Flags().BoolVar(&nul, "nul", false, "put a zero byte behind the text, as C programs expect")
	p.flag(c, "room")
	return c
}

// choice is which messages to take.
type choice struct{ exactly, upTo, except int64 }

func (ch *choice) flags(c *cobra.Command) {
	c.Flags().Int64Var(&ch.exactly, "type", 0, "only messages of this type")
	c.Flags().Int64Var(&ch.upTo, "up-to", 0, "the lowest type first, and none above this")
	c.Flags().Int64Var(&ch.except, "except", 0, "any but this type")
}

func (ch *choice) selector(c *cobra.Command) (sysvctl.Selector, error) {
	exactly, upTo, except := c.Flags().Changed("type"), c.Flags().Changed("up-to"), c.Flags().Changed("except")
	switch {
	case exactly && upTo, exactly && except, upTo && except:
		return sysvctl.Any(), exit{exitUsage, "receive: --type, --up-to and --except exclude each other"}
	case exactly:
		return sysvctl.Exactly(sysvctl.Type(ch.exactly)), nil
	case upTo:
		return sysvctl.UpTo(sysvctl.Type(ch.upTo)), nil
	case except:
		return sysvctl.Except(sysvctl.Type(ch.except)), nil
	}
	return sysvctl.Any(), nil
}

func queueReceive(f *queueFlags) *cobra.Command {
	var ch choice
	var p patience
	var count, size int
	var raw, follow bool
	c := &cobra.Command{
		Use: "receive QUEUE", Short: "take messages and print them", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := ours(args[0], "receive"); err != nil {
				return err
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			wanted, err := ch.selector(c)
			if err != nil {
				return err
			}
			ctx, cancel := p.context(c.Context())
			defer cancel()
			r, err := q.Receiver(ctx, wanted, size)
			if err != nil {
				return err
			}
			defer r.Close()
			for taken := 0; follow || taken < count; taken++ {
				var m sysvctl.Message
				if p.wait == 0 {
					m, err = r.Try()
				} else {
					m, err = r.Receive()
				}
				if follow && c.Context().Err() != nil {
					return nil // Ctrl-C is how a follower ends
				}
				if err != nil {
					return p.explain(c, err, "no message")
				}
				if raw {
					_, err = c.OutOrStdout().Write(m.Data)
				} else {
					err = f.showMessage(c.OutOrStdout(), m)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	ch.flags(c)
	p.flag(c, "messages")
	c.Flags().IntVar(&count, "count", 1, "how many messages")
	c.Flags().BoolVar(&follow, "follow", false, "go on until Ctrl-C, or until --wait is over")
	c.Flags().IntVar(&size, "size", 65536, "longest message in bytes; a longer one stays queued")
	c.Flags().BoolVar(&raw, "raw", false, "write nothing but the bytes of each message")
	return c
}

// printable is what a person sees of a reply: text as it is, bytes quoted.
func printable(data []byte) string {
	text := strings.TrimRight(string(data), "\x00\n")
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && (r < ' ' || r == 0x7f || r == utf8.RuneError) }) {
		return fmt.Sprintf("%q", data)
	}
	return text
}

// said prints to standard error: what is no result.
func said(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
