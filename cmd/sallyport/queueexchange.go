package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/pkg/sysvctl"
)

const answerTime = 10 * time.Second // for the command of a serve

func queueCall(f *queueFlags) *cobra.Command {
	var p patience
	var size int
	c := &cobra.Command{
		Use: "call QUEUE TEXT", Short: "ask whoever serves the queue, and print the reply", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := ours(args[0], "call"); err != nil {
				return err
			}
			q, err := findQueue(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := p.context(c.Context())
			defer cancel()
			began := time.Now()
			reply, err := q.Call(ctx, []byte(args[1]), make([]byte, size))
			if err != nil {
				return p.explain(c, err, "no reply")
			}
			if f.asJSON {
				row := messageOf(sysvctl.Message{Data: reply})
				return printJSON(c.OutOrStdout(), struct {
					Bytes  int     `json:"size_bytes"`
					Data   []byte  `json:"data"`
					Text   *string `json:"text,omitempty"`
					TookUS int64   `json:"took_us"`
				}{row.Bytes, row.Data, row.Text, time.Since(began).Microseconds()})
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), printable(reply))
			return err
		},
	}
	p.flag(c, "the reply")
	c.Flags().IntVar(&size, "size", 8192, "longest reply in bytes")
	return c
}

func queueServe(f *queueFlags) *cobra.Command {
	var create bool
	var mode string
	var size, callers int
	c := &cobra.Command{
		Use: "serve QUEUE [-- COMMAND ARGUMENTS...]", Short: "answer calls with what a command prints, or with the request itself",
		Long: "Answer the calls of `sallyport queue call` and of programs that use the library.\n" +
			"Each request goes to the standard input of the command, and what it prints is the\n" +
			"reply. Messages of type 1 are printed and get no reply. It ends with Ctrl-C.",
		Args: func(c *cobra.Command, args []string) error {
			if dash := c.ArgsLenAtDash(); len(args) == 0 || dash == -1 && len(args) > 1 || dash != -1 && dash != 1 {
				return exit{exitUsage, "usage: " + c.UseLine()}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := ours(args[0], "serve"); err != nil {
				return err
			}
			q, made, err := queueToServe(args[0], create, mode)
			if err != nil {
				return err
			}
			said("serving queue %d, key %s", q.ID(), keyText(q.Key()))
			err = q.Serve(c.Context(), sysvctl.Service{Size: size, Callers: callers,
				Answer: func(request []byte) []byte { return answer(c.Context(), args[1:], request) },
				Plain: func(text []byte) {
					if err := f.showMessage(c.OutOrStdout(), sysvctl.Message{Type: sysvctl.TypePlain, Data: text}); err != nil {
						said("sallyport: %v", err)
					}
				}})
			if made {
				if rerr := q.Remove(); !errors.Is(rerr, sysvctl.ErrRemoved) {
					err = errors.Join(err, rerr)
				}
			}
			return err
		},
	}
	c.Flags().BoolVar(&create, "create", false, "make the queue of this key, and remove it at the end")
	c.Flags().StringVar(&mode, "mode", "0600", "permission bits of a queue that is made: callers need to receive and send")
	c.Flags().IntVar(&size, "size", 512, "longest request and reply in bytes")
	c.Flags().IntVar(&callers, "callers", 8, "how many may call at once; others wait")
	return c
}

// queueToServe finds the queue, or makes it for --create, which needs a key.
func queueToServe(name string, create bool, mode string) (q *sysvctl.Queue, made bool, err error) {
	if !create {
		q, err = findQueue(name)
		return q, false, err
	}
	bits, err := strconv.ParseUint(mode, 8, 32)
	if err != nil || bits > 0o777 {
		return nil, false, exit{exitUsage, fmt.Sprintf("serve --mode %q: want permission bits in octal", mode)}
	}
	text, _ := bytes.CutPrefix([]byte(name), []byte("key="))
	key, err := strconv.ParseInt(string(text), 0, 64)
	if err != nil || key == 0 || key < -1<<31 || key > 1<<32-1 {
		return nil, false, exit{exitUsage, fmt.Sprintf("serve --create: %q is no key: want 0x4d2, 1234 or key=1234", name)}
	}
	q, err = sysvctl.Create(sysvctl.Key(int32(key)), sysvctl.Options{Mode: uint32(bits)})
	return q, err == nil, err
}

// answer runs the command for one request. A command that fails answers with
// what it printed, and the failure is said here.
func answer(ctx context.Context, command []string, request []byte) []byte {
	if len(command) == 0 {
		return request
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(request), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		said("sallyport: %s: %v", command[0], err)
	}
	return out
}
