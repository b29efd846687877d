package main

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	maxLine  = 512 // bytes of a worker's line that are kept
	maxLines = 20  // lines of a worker a second
)

// openLog makes the pipe that a process has as stdout and stderr and reads it
// until the process and its heirs are gone. The write end is the caller's.
func (w *worker) openLog(epoch uint32) (*os.File, error) {
	r, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w.s.logs.Go(func() {
		defer r.Close()
		w.copyLines(r, epoch)
	})
	return out, nil
}

// copyLines logs what a worker prints: a line at a time, cut, quoted where it
// holds anything but plain text, and no more than maxLines a second.
func (w *worker) copyLines(r io.Reader, epoch uint32) {
	lines := bufio.NewReaderSize(r, maxLine)
	second, count, left := time.Time{}, 0, 0
	for {
		line, cut, err := lines.ReadLine()
		if err != nil {
			break
		}
		text := printable(line)
		for cut && err == nil {
			_, cut, err = lines.ReadLine()
		}
		if now := time.Now().Truncate(time.Second); now != second {
			if left > 0 {
				w.log.Warn("lines of the worker left out", "lines", left)
			}
			second, count, left = now, 0, 0
		}
		if count++; count > maxLines {
			left++
			continue
		}
		w.log.Info("says", "line", text, "epoch", epoch)
	}
	if left > 0 {
		w.log.Warn("lines of the worker left out", "lines", left)
	}
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
