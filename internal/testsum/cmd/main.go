// Command testsum runs commands that write `go test -json` events, one after
// the other, and gives one summary of them; the last line is "N passed, N
// failed, N skipped".
//
//	testsum [-required FILE] -- go test -json ./... -- go test -json -tags fault ./pkg/scmrights
//
// It exits 1 when a test failed, when none passed, when a command failed, or
// when a test on the required list was skipped. Tests of a command with -tags
// are counted under the name of their package with the tags.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"sallyport/internal/testsum"
)

func main() {
	required := flag.String("required", "", "`file` with the tests that must not be skipped")
	module := flag.String("module", "sallyport", "module `path` in front of the list's packages")
	flag.Parse()
	sum := new(testsum.Sum)
	for _, command := range split(flag.Args()) {
		one, err := run(command)
		if err != nil {
			fmt.Fprintln(os.Stderr, "testsum:", err)
			os.Exit(1)
		}
		sum.Join(one, tags(command))
	}
	if *required != "" {
		if err := require(sum, *module, *required); err != nil {
			fmt.Fprintln(os.Stderr, "testsum:", err)
			os.Exit(1)
		}
	}
	sum.Report(os.Stdout)
	if !sum.OK() {
		os.Exit(1)
	}
}

// split gives the commands between the words "--".
func split(args []string) [][]string {
	commands := [][]string{nil}
	for _, word := range args {
		if word == "--" {
			commands = append(commands, nil)
			continue
		}
		last := &commands[len(commands)-1]
		*last = append(*last, word)
	}
	return commands
}

// tags is the argument of a command's -tags, "" without one.
func tags(command []string) string {
	if i := slices.Index(command, "-tags"); i >= 0 && i+1 < len(command) {
		return command[i+1]
	}
	return ""
}

func run(args []string) (*testsum.Sum, error) {
	if len(args) == 0 {
		return nil, errors.New("no command given; want testsum -- go test -json PACKAGES")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	stream, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	sum, err := testsum.Read(stream, os.Stdout)
	if err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil && len(sum.Failed) == 0 {
		sum.Failed = append(sum.Failed, testsum.Result{
			Name:   testsum.Name{Package: args[0]},
			Output: fmt.Sprintf("%q: %v, and no test says why\n", args, err),
		})
	}
	return sum, nil
}

func require(sum *testsum.Sum, module, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	list, err := testsum.ReadRequired(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	sum.Require(module, list)
	return nil
}
