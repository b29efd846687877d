package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	maxLine  = 512 // bytes of a worker's line that are kept
	maxLines = 20  // lines of a worker a second
)

// outputs are the readers of what processes print; each ends with its process
// and the heirs of that.
type outputs struct {
	mu      sync.Mutex
	open    map[*output]struct{}
	readers sync.WaitGroup
}

// output reads what one process prints and logs it: a line at a time, cut, quoted
// where it holds anything but plain text, and no more than maxLines a second.
type output struct {
	log   hclog.Logger
	name  string // of the worker
	epoch uint32
	pipe  *os.File

	rest   []byte // of a line that has no end yet
	cut    bool   // the line is longer, and what comes of it is thrown away
	second time.Time
	count  int
	left   int
	ended  chan struct{} // closed when nobody reads now
}

// openLog makes the pipe that a process has as stdout and stderr and reads it.
// The write end is the caller's.
func (w *worker) openLog(epoch uint32) (*os.File, error) {
	r, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w.s.logs.add(&output{log: w.log, name: w.cfg.Name, epoch: epoch, pipe: r})
	return out, nil
}

// add reads an output until its end, or until a deadline of its pipe.
func (l *outputs) add(o *output) {
	l.mu.Lock()
	if l.open == nil {
		l.open = make(map[*output]struct{})
	}
	l.open[o] = struct{}{}
	o.ended = make(chan struct{})
	l.mu.Unlock()
	l.readers.Go(func() {
		defer close(o.ended)
		if err := o.copy(o.pipe); errors.Is(err, os.ErrDeadlineExceeded) {
			return // a halt
		}
		o.finish()
		_ = o.pipe.Close() // only read
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, o)
	})
}

// halt stops reading; what is printed meanwhile waits in the pipes.
func (l *outputs) halt() (all []*output) {
	l.mu.Lock()
	for o := range l.open {
		all = append(all, o)
	}
	l.mu.Unlock()
	standing := all[:0]
	for _, o := range all {
		_ = o.pipe.SetReadDeadline(time.Unix(1, 0)) // fails when its end has come
		<-o.ended
		l.mu.Lock()
		if _, there := l.open[o]; there {
			standing = append(standing, o)
		}
		l.mu.Unlock()
	}
	return standing
}

// goOn reads again after a halt.
func (l *outputs) goOn(all []*output) {
	for _, o := range all {
		_ = o.pipe.SetReadDeadline(time.Time{})
		l.add(o)
	}
}

// copy takes what comes until the end or an error.
func (o *output) copy(r io.Reader) error {
	var chunk [4096]byte
	for {
		n, err := r.Read(chunk[:])
		o.take(chunk[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// take adds bytes to the line at hand, and logs every line that ends in them.
func (o *output) take(chunk []byte) {
	for len(chunk) > 0 {
		line, after, ends := bytes.Cut(chunk, []byte("\n"))
		chunk = after
		if !o.cut {
			room := maxLine - len(o.rest)
			o.rest = append(o.rest, line[:min(len(line), room)]...)
			o.cut = len(line) > room
		}
		if ends {
			o.say()
		}
	}
}

// say logs the line at hand, unless there are too many.
func (o *output) say() {
	line := bytes.TrimSuffix(o.rest, []byte("\r"))
	o.rest, o.cut = o.rest[:0], false
	if now := time.Now().Truncate(time.Second); now != o.second {
		o.leftOut()
		o.second, o.count = now, 0
	}
	if o.count++; o.count > maxLines {
		o.left++
		return
	}
	o.log.Info("says", "line", printable(line), "epoch", o.epoch)
}

func (o *output) leftOut() {
	if o.left > 0 {
		o.log.Warn("lines of the worker left out", "lines", o.left)
	}
	o.left = 0
}

// finish logs what has no end of line.
func (o *output) finish() {
	if len(o.rest) > 0 {
		o.say()
	}
	o.leftOut()
}

// printable gives the text as it is, or quoted, so that no line can forge
// another or move the cursor of whoever reads the log.
func printable(line []byte) string {
	text := string(line)
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.QuoteToASCII(text)
	}
	return text
}
