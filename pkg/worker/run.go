package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/lane"
	"sallyport/pkg/scmrights"
)

// partingWithin is how long a worker that has said its last word waits for the
// supervisor to have read it. A SEQPACKET socket that is closed with unread
// records in it makes its peer's next read fail with ECONNRESET, ahead of what
// is still queued there (unix_release_sock in net/unix/af_unix.c): so the worker
// leaves after the supervisor took note, if that does not take long.
const partingWithin = 100 * time.Millisecond

// Run makes this process a worker: it takes the channel, collects what the
// supervisor grants, and calls plugin. It does not return: when plugin does,
// the process exits, with 0 after nil and with 1 and one line on standard error
// after an error. ctx ends when the worker is to stop.
func Run(plugin func(ctx context.Context, w *Worker) error) {
	err := runProcess(plugin)
	switch {
	case err == nil:
		os.Exit(0)
	case !errors.Is(err, ErrParentGone): // then nobody reads standard error any more
		logf("%s: %v", filepath.Base(os.Args[0]), err)
	}
	os.Exit(1)
}

func runProcess(plugin func(context.Context, *Worker) error) error {
	if err := harden(); err != nil {
		return err
	}
	fault.Point("W1") // started, the channel is not touched
	f, err := scmrights.Inherited()
	if err != nil {
		return err
	}
	// STOP is how a worker is told to end; SIGTERM means the same.
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer cancel()
	return run(ctx, f, plugin, logf)
}

// logf prints one line on standard error, whatever the text holds.
func logf(format string, a ...any) {
	line := strings.ReplaceAll(fmt.Sprintf(format, a...), "\n", "; ")
	io.WriteString(os.Stderr, line+"\n")
}

// run is Run without the process around it. It takes f. When the channel ends
// it returns at once, whatever the plugin is doing.
func run(ctx context.Context, f *os.File, plugin func(context.Context, *Worker) error, logf func(string, ...any)) error {
	peer, err := scmrights.Attach(f)
	if err != nil {
		return fail("attach", "", err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	w := &Worker{ctx: ctx, peer: peer, logf: logf, asked: map[string]bool{}}

	// The channel is read to the very end of the worker, and not just to STOP:
	// a store may still need its next segment while it finishes.
	listening, deaf := context.WithCancel(context.Background())
	starts := make(chan []byte, 1)
	gone := make(chan struct{})
	var lost error // set before gone is closed
	go func() { defer close(gone); lost = w.follow(listening, stop, starts) }()
	done := make(chan error, 1)
	go func() { done <- w.work(plugin, starts) }()

	select {
	case <-gone:
		err = lost
	case err = <-done:
		err = w.part(err, gone)
	}
	stop(err)
	deaf()
	<-gone
	peer.Close()
	w.grants.close()
	return err
}

// follow takes what the supervisor sends until ctx ends, which is nil, or the
// channel does.
func (w *Worker) follow(ctx context.Context, stop context.CancelCauseFunc, starts chan<- []byte) error {
	started := false
	for {
		ev, err := w.peer.Receive(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
			return ErrParentGone
		case err != nil:
			return fail("channel", "", err)
		}
		w.grants.take(ev.Grants)
		w.grants.revoke(ev.Revoked)
		if err := w.peer.Released(ev.Revoked...); err != nil {
			return fail("channel", "", err)
		}
		if m := ev.Message; m != nil {
			switch m.Kind {
			case lane.MsgStart:
				if started {
					return fail("channel", "", errors.New("START came twice"))
				}
				started = true
				starts <- m.Body
			case lane.MsgStop:
				stop(context.Canceled)
			}
		}
		w.news.tell()
	}
}

// work waits for START, runs the plugin, and gives its error.
func (w *Worker) work(plugin func(context.Context, *Worker) error, starts <-chan []byte) error {
	select {
	case <-w.ctx.Done():
		return nil
	case body := <-starts:
		if err := w.begin(body); err != nil {
			return w.unlessStopped(err)
		}
	}
	beating, still := context.WithCancel(context.Background())
	beat := make(chan error, 1)
	go func() { beat <- w.beat(beating) }()
	err := plugin(w.ctx, w)
	still()
	<-beat // its error is that of the channel, which follow reports
	return err
}

// part says what is left to be said and waits until it was heard.
func (w *Worker) part(err error, gone <-chan struct{}) error {
	if w.ctx.Err() != nil {
		if errors.Is(err, context.Canceled) {
			err = nil // a plugin that hands on what ended it
		}
	} else if err == nil {
		_ = w.say(lane.MsgDone, nil)
	}
	late, cancel := context.WithTimeout(context.Background(), partingWithin)
	defer cancel()
	stop := context.AfterFunc(late, w.news.tell)
	defer stop()
	for {
		changed := w.news.next()
		if late.Err() != nil || w.peer.Acked() >= w.said.Load() {
			return err
		}
		select {
		case <-changed:
		case <-gone:
			return err
		}
	}
}
