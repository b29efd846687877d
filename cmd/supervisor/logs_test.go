package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hashicorp/go-hclog"
)

// TestLinesOfAWorkerCannotForge: a worker's lines are cut, quoted and counted.
func TestLinesOfAWorkerCannotForge(t *testing.T) {
	var out bytes.Buffer
	o := &output{log: hclog.New(&hclog.LoggerOptions{Output: &out}), epoch: 1}
	var in strings.Builder
	in.WriteString("plain line\n\x1b[2Jforged\r line\n" + strings.Repeat("x", 10*maxLine) + "\n")
	for i := range 1000 {
		fmt.Fprintln(&in, "flood", i)
	}
	if err := o.copy(iotest.OneByteReader(strings.NewReader(in.String()))); err != nil {
		t.Fatal(err)
	}
	o.finish()
	text := out.String()
	if !strings.Contains(text, "plain line") {
		t.Error("the plain line is missing")
	}
	if strings.ContainsAny(text, "\x1b\r") {
		t.Error("control characters came through")
	}
	if n := strings.Count(text, "\n"); n > 2*maxLines+5 {
		t.Errorf("%d lines were logged", n)
	}
	if strings.Contains(text, strings.Repeat("x", maxLine+1)) {
		t.Errorf("more than %d characters of a line were kept", maxLine)
	}
	if !strings.Contains(text, "left out") {
		t.Error("nothing says that lines were left out")
	}
}
