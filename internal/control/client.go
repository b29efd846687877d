package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"syscall"
	"time"
)

const maxAnswer = 1 << 20 // bytes of one answer line a client takes

// Client asks a supervisor. Every call makes a connection of its own.
type Client struct {
	Path string // of the control socket
}

func (c Client) dial(ctx context.Context, r Request) (net.Conn, *bufio.Scanner, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.Path)
	if err != nil {
		return nil, nil, &Fault{Code: "SP0411", What: "no supervisor answers", Where: c.Path, Why: err.Error(),
			Fix: "start one with `sallyport run FILE`, or name its socket with --socket"}
	}
	r.V = version
	line, err := json.Marshal(r)
	if err == nil {
		_, err = conn.Write(append(line, '\n'))
	}
	// A server that refuses us may have closed before it read the request; its
	// answer says more than our EPIPE does.
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		conn.Close()
		return nil, nil, fmt.Errorf("control socket %s: %w", c.Path, err)
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4096), maxAnswer)
	return conn, lines, nil
}

// Ask sends a request and gives the items of its answer.
func (c Client) Ask(ctx context.Context, verb string, args any) ([]json.RawMessage, error) {
	request := Request{Verb: verb}
	if args != nil {
		raw, err := json.Marshal(args)
		if err != nil {
			return nil, err
		}
		request.Args = raw
	}
	conn, lines, err := c.dial(ctx, request)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })()
	var items []json.RawMessage
	for lines.Scan() {
		var a struct {
			OK   bool            `json:"ok"`
			End  bool            `json:"end"`
			Item json.RawMessage `json:"item"`
			Fault
		}
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("control socket %s: answer: %w", c.Path, err)
		}
		switch {
		case a.End:
			return items, nil
		case !a.OK:
			return nil, &a.Fault
		}
		items = append(items, a.Item)
	}
	return nil, fmt.Errorf("control socket %s: the answer broke off: %w", c.Path, errOr(lines.Err(), net.ErrClosed))
}

// Events gives the lines of `events` as they come, until the supervisor ends,
// the context does, or the caller stops. It goes on after an upgrade of the
// supervisor, without the events that it has given before.
func (c Client) Events(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var last time.Time
		for again := true; again; {
			again = false
			remembered := memory // at most; afterwards an older time is that of a clock that was set
			for line, err := range c.Stream(ctx) {
				if err != nil {
					yield(nil, err)
					return
				}
				at, e, err := Decode(line)
				if remembered--; err == nil && remembered >= 0 && !at.After(last) {
					continue
				}
				if !yield(line, nil) {
					return
				}
				if _, again = e.(Upgrading); again {
					last = at
				}
			}
			again = again && ctx.Err() == nil
		}
	}
}

// Stream is Events of one connection.
func (c Client) Stream(ctx context.Context) iter.Seq2[[]byte, error] {
	return c.stream(ctx, Request{Verb: "events", Follow: true})
}

// Logs gives the last lines of the log, and with follow those that come, as
// events `log`.
func (c Client) Logs(ctx context.Context, follow bool) iter.Seq2[[]byte, error] {
	return c.stream(ctx, Request{Verb: "logs", Follow: follow})
}

func (c Client) stream(ctx context.Context, r Request) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		conn, lines, err := c.dial(ctx, r)
		if err != nil {
			yield(nil, err)
			return
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })()
		for lines.Scan() {
			if f := refused(lines.Bytes()); f != nil {
				yield(nil, f)
				return
			}
			if !yield(lines.Bytes(), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil && ctx.Err() == nil {
			yield(nil, fmt.Errorf("control socket %s: %w", c.Path, err))
		}
	}
}

// refused is the fault in a line that is no event but a refusal.
func refused(line []byte) *Fault {
	if !bytes.HasPrefix(line, []byte(`{"v":`)) {
		return nil
	}
	var f Fault
	if err := json.Unmarshal(line, &f); err != nil || f.Code == "" {
		return nil
	}
	return &f
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
