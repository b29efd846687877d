// Command testsum runs a command that writes `go test -json` events and gives
// one summary of them; the last line is "N passed, N failed, N skipped".
//
//	testsum [-required FILE] -- go test -json ./...
//
// It exits 1 when a test failed, when none passed, when the command failed, or
// when a test on the required list was skipped.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"

	"sallyport/internal/testsum"
)

func main() {
	required := flag.String("required", "", "`file` with the tests that must not be skipped")
	module := flag.String("module", "sallyport", "module `path` in front of the list's packages")
	flag.Parse()
	sum, err := run(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
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
