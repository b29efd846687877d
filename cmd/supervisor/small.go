package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"sallyport/internal/attest"
	"sallyport/internal/lane"
	"sallyport/internal/launch"
	"sallyport/internal/monitor"
)

// converseSmall goes on with a worker that does not speak the hand-over, when
// its receipts are in. One of protocol 1 is ready then. One of protocol 0 was a
// launcher until now: it is ready when it executes its program, or when that
// says so. Calls of its start are admitted for start_grace after the last exec.
func (x *session) converseSmall() error {
	since := x.started
	if x.w.cfg.Protocol == 0 {
		if gone, err := x.untilExec(); gone || err != nil {
			return err
		}
		since = time.Now()
	}
	x.graceUntil = since.Add(x.w.cfg.StartGrace)
	if x.w.cfg.Notify {
		if x.notify = x.proc.Notify(); x.notify == nil {
			return nil // the process is gone, and took it along
		}
	}
	return x.smallOn(false)
}

// smallOn is converseSmall from the last exec on; ready says that the worker was
// found to be so before.
func (x *session) smallOn(ready bool) error {
	grace := time.AfterFunc(time.Until(x.graceUntil), func() { x.proc.SetPhase(launch.Running) })
	defer grace.Stop()
	if x.w.cfg.Notify {
		return x.listen(x.notify, ready)
	}
	if !ready {
		x.post(monitor.Event{Kind: monitor.Readied})
	}
	if x.w.cfg.Protocol == 1 {
		// It may close its end: it has no more use for it.
		if _, err := x.conn.Receive(x.talking); !errors.Is(err, io.EOF) {
			return x.ending("channel", err)
		}
	}
	select {
	case <-x.proc.Done():
	case <-x.talking.Done():
	}
	return nil
}

// untilExec waits for the end of the channel, which the launcher's exec closes,
// and sees what is there instead. gone says that nothing is.
func (x *session) untilExec() (gone bool, err error) {
	if _, err := x.conn.Receive(x.ctx); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("a message came over it")
		}
		return true, x.ending("channel of the launcher", err)
	}
	is, err := x.proc.Executes(x.w.exe)
	if err != nil || !is {
		return true, nil // the launcher ended, and has said why; its exit tells
	}
	return false, nil
}

// maxNotify bounds a datagram in bytes; sd_notify(3) needs a few hundred.
const maxNotify = 4096

// listen turns what the program says on NOTIFY_SOCKET into the words of a
// worker: READY, ALIVE and STATUS. Everything else there is no concern of ours.
func (x *session) listen(notify *os.File, ready bool) error {
	if err := notify.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	ended := make(chan struct{})
	over := make(chan struct{})
	defer func() { close(ended); <-over }() // the deadline is not set on a successor
	go func() {
		defer close(over)
		select {
		case <-x.proc.Done():
		case <-x.talking.Done():
		case <-ended:
			return
		}
		_ = notify.SetReadDeadline(time.Unix(1, 0))
	}()
	buf := make([]byte, maxNotify)
	for {
		n, err := notify.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("NOTIFY_SOCKET: %w", err)
		}
		for line := range bytes.SplitSeq(buf[:n], []byte("\n")) {
			key, value, _ := bytes.Cut(line, []byte("="))
			switch said := string(key); {
			case said == "READY" && string(value) == "1" && !ready:
				ready = true
				x.post(monitor.Event{Kind: monitor.Readied})
			case said == "WATCHDOG" && string(value) == "1":
				x.post(monitor.Event{Kind: monitor.Heard})
			case said == "STATUS":
				x.say(lane.MsgStatus, value[:min(len(value), maxStatus)])
			}
		}
	}
}

func (x *session) say(kind uint16, body []byte) {
	x.w.inbox <- note{epoch: x.epoch, word: &word{kind: kind, body: bytes.Clone(body)}}
}

// expect is what a proof of the process should find.
func (x *session) expect() attest.Expect {
	exe, program, _ := x.w.images()
	return attest.Expect{UID: x.w.id, GID: x.w.id, SharedID: x.w.s.options.rootless,
		Filters: x.w.s.own + 1, Exe: exe, Program: program, Root: x.w.root(), Reads: len(x.w.cfg.ReadOnly) > 0}
}

// acknowledgeReady tells a worker that its READY was heard, if it waits for that.
func (x *session) acknowledgeReady() error {
	if x.w.cfg.Protocol < 2 {
		return nil
	}
	return x.conn.Acknowledge(x.readySeq)
}

// A program of protocol 1 says nothing when it is ready to be looked at: while
// its loader has a library open, its descriptors are not what they should be.
const (
	loadTime = 2 * time.Second
	loadLook = 5 * time.Millisecond
)

// prove takes the proof of what was launched: of a worker's program, or of the
// launcher that is to become it.
func (x *session) prove() (*attest.Proof, error) {
	expect := x.expect()
	for end := time.Now().Add(loadTime); ; {
		proof, err := attest.Prove(x.proc, expect, x.w.cfg.Proof)
		if err == nil || x.w.cfg.Protocol != 1 || x.ctx.Err() != nil || time.Now().After(end) {
			return proof, err
		}
		select {
		case <-x.proc.Done():
		case <-time.After(loadLook):
		}
	}
}
