package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/testsum"
	"sallyport/tests/machine"
)

// outcome is what came over the serial line.
type outcome struct {
	kernel string
	said   []string
	sum    *testsum.Sum
	done   bool
	ended  map[string]bool // packages whose end mark came
}

// boot runs a machine until it says that it is done, and for limit at most. All
// that it prints goes to log as well. qemu's own words are in the error.
func boot(k kind, img image, log io.Writer, limit time.Duration) (*outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	args := append(k.qemu[1:len(k.qemu):len(k.qemu)], "-accel", "tcg", "-nographic", "-monitor", "none", "-serial", "stdio",
		"-net", "none", "-no-reboot", "-kernel", img.kernel, "-initrd", img.initramfs, "-append", k.cmdline)
	if img.dtb != "" {
		args = append(args, "-dtb", img.dtb)
	}
	cmd := exec.CommandContext(ctx, k.qemu[0], args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	serial, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out, err := listen(k, io.TeeReader(serial, log), os.Stdout)
	late := ctx.Err() != nil
	cancel() // a Raspberry Pi cannot switch itself off
	_ = cmd.Wait()
	switch {
	case err == nil && late:
		err = fmt.Errorf("the machine was not done after %v", limit)
	case err == nil && !out.done:
		err = fmt.Errorf("the machine stopped before it was done: %s", bytes.TrimSpace(complaint.Bytes()))
	}
	return out, err
}

// listen reads the serial line up to the last mark or its end.
func listen(k kind, serial io.Reader, progress io.Writer) (*outcome, error) {
	out := &outcome{sum: new(testsum.Sum), ended: map[string]bool{}}
	var current string
	var output bytes.Buffer
	lines := bufio.NewReader(serial)
	for !out.done {
		line, err := lines.ReadString('\n')
		word, rest := mark(line, err == nil)
		switch word {
		case machine.MarkKernel:
			out.kernel = rest
		case machine.MarkSaid:
			out.said = append(out.said, rest)
		case machine.MarkDone:
			out.done = true
		case machine.MarkBegin:
			current = rest
			output.Reset()
		case machine.MarkEnd:
			pkg, status, _ := strings.Cut(rest, " ")
			if pkg != current {
				return out, fmt.Errorf("%q ends after %q began", pkg, current)
			}
			if err := out.count(k, pkg, status, &output, progress); err != nil {
				return out, err
			}
		default:
			output.WriteString(rest + "\n")
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return out, err
		}
	}
	out.missing(k, current, output.String())
	return out, nil
}

// mark splits a line that is a mark. The last line of a machine that stopped may
// be half of one, and is none.
func mark(line string, whole bool) (word, rest string) {
	line = strings.TrimRight(line, "\r\n")
	if !whole {
		return "", line
	}
	for _, m := range []string{machine.MarkKernel, machine.MarkBegin, machine.MarkEnd, machine.MarkSaid, machine.MarkDone} {
		if rest, found := strings.CutPrefix(line, m); found {
			return m, rest
		}
	}
	return "", line
}

// count adds the tests of one binary; those of two machines are told apart by
// the machine behind the package.
func (o *outcome) count(k kind, pkg, status string, output *bytes.Buffer, progress io.Writer) error {
	if n, err := strconv.Atoi(status); n != 0 || err != nil {
		fmt.Fprintf(output, "exit status %s\nFAIL\n", status)
	}
	cmd := exec.Command(goCommand(), "tool", "test2json", "-p", module+"/"+pkg)
	cmd.Stdin, cmd.Stderr = output, os.Stderr
	events, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go tool test2json: %w", err)
	}
	one, err := testsum.Read(bytes.NewReader(events), io.Discard)
	if err != nil {
		return err
	}
	o.ended[pkg] = true
	o.sum.Join(one, k.name)
	fmt.Fprintf(progress, "%-8s %-32s %4d passed %3d failed %3d skipped\n", k.name, pkg, len(one.Passed), len(one.Failed), len(one.Skipped))
	return nil
}

// missing counts every binary of the plan that did not end as failed, with what
// the one that was running had printed.
func (o *outcome) missing(k kind, current, output string) {
	for _, b := range k.tests {
		if o.ended[b.pkg] {
			continue
		}
		why := "never began\n"
		if b.pkg == current {
			why = output + "the machine stopped before this was over\n"
		}
		o.sum.Failed = append(o.sum.Failed, testsum.Result{Name: testsum.Name{Package: module + "/" + b.pkg + " [" + k.name + "]"}, Output: why})
	}
}
