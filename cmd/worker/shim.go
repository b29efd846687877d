package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"sallyport/pkg/worker"
)

// maxPrinted bounds a line that a program prints, in bytes.
const maxPrinted = 512

// shim is `worker shim`: it sends what another program prints into a pipe, of
// which the configuration grants it the other end under the worker's name.
func shim(ctx context.Context, w *worker.Worker) error {
	pipe, err := w.File(w.Name())
	if err != nil {
		return err
	}
	lines := make(chan string)
	ended := make(chan error, 1)
	go func() { ended <- readLines(ctx, pipe, lines) }()
	if err := w.Ready(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case line := <-lines:
			if err := send(w, line); err != nil {
				w.Logf("%.80q: %v", line, err)
			}
		}
	}
}

// readLines passes on one line after the other, and drops those that are too long.
func readLines(ctx context.Context, from io.Reader, lines chan<- string) error {
	r := bufio.NewReaderSize(from, maxPrinted)
	for {
		line, cut, err := r.ReadLine()
		if err != nil {
			return fmt.Errorf("what the program prints: %w", err)
		}
		text := string(line)
		for whole := !cut; cut && err == nil; {
			_, cut, err = r.ReadLine()
			if !whole {
				text = ""
			}
		}
		if text == "" {
			continue
		}
		select {
		case lines <- text:
		case <-ctx.Done():
			return nil
		}
	}
}

// printed is one line that was understood.
type printed struct {
	name  string
	value float64
	unit  string
	alert bool
	text  string // of an alert
}

// parse reads `name value unit`, a reading, or `! name value unit text`, an alert.
func parse(line string) (p printed, err error) {
	if rest, ok := strings.CutPrefix(line, "!"); ok {
		p.alert, line = true, rest
	}
	words := strings.Fields(line)
	if len(words) < 2 || !p.alert && len(words) > 3 {
		return p, errors.New("want: name value unit, or: ! name value unit text")
	}
	p.name = words[0]
	if p.value, err = strconv.ParseFloat(words[1], 64); err != nil || math.IsNaN(p.value) || math.IsInf(p.value, 0) {
		return p, fmt.Errorf("%q is no value", words[1])
	}
	if len(words) > 2 {
		p.unit = words[2]
	}
	if len(words) > 3 {
		p.text = strings.Join(words[3:], " ")
	}
	return p, nil
}

func send(w *worker.Worker, line string) error {
	p, err := parse(line)
	if err != nil {
		return err
	}
	sensor := w.Name() + "." + p.name
	if unit, known := w.Unit(sensor); known && p.unit != "" && p.unit != unit {
		return fmt.Errorf("the unit of %s is %q by the configuration", p.name, unit)
	}
	if p.alert {
		return w.Alert(sensor, p.value, p.text)
	}
	return w.Reading(sensor, p.value)
}
