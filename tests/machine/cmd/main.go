// Command cmd boots emulated machines, runs test binaries in them, and gives one
// summary; see tests/machine. It is what `make machine` calls, after
// tools/machine.sh has fetched the kernels.
//
//	cmd [-dir build/machine] [-results FILE] [-package PKG] [NAME...]
//
// Without a name every machine is booted. It exits 1 when a test failed, when a
// machine did not come to its end, and when a required test was skipped.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/internal/testsum"
	"sallyport/tests/results"
)

func main() {
	dir := flag.String("dir", "build/machine", "`folder` with the kernels, and for what is made")
	file := flag.String("results", "", "`file` to append the run to")
	limit := flag.Duration("limit", 30*time.Minute, "end a machine after so `long`")
	only := flag.String("package", "", "run the tests of this `package` alone, as internal/sys")
	flag.Parse()
	ok, err := run(*dir, *file, *only, flag.Args(), *limit)
	if err != nil {
		fmt.Fprintln(os.Stderr, "machine:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(dir, file, only string, names []string, limit time.Duration) (bool, error) {
	chosen, err := choose(names, only)
	if err != nil {
		return false, err
	}
	began := time.Now()
	record := results.Begin(command(only, names), began)
	all := new(testsum.Sum)
	var errs []error
	for _, k := range chosen {
		out, err := one(k, dir, limit)
		errs = append(errs, err)
		if out == nil {
			continue
		}
		out.sum.Require(module, k.must())
		all.Join(out.sum, "")
		record.Add(k.name, fmt.Sprintf("%s: %d passed, %d failed, %d skipped", out.kernel, len(out.sum.Passed), len(out.sum.Failed), len(out.sum.Skipped)))
		for _, line := range out.said {
			fmt.Printf("%-8s %s\n", k.name, line)
		}
	}
	all.Report(os.Stdout)
	record.Add("seconds", fmt.Sprintf("%.0f", time.Since(began).Seconds()))
	if file != "" && len(all.Passed) > 0 {
		errs = append(errs, results.Append(file, record))
	}
	return all.OK(), errors.Join(errs...)
}

// command is what repeats the run.
func command(only string, names []string) string {
	switch list := strings.Join(names, " "); {
	case only != "":
		return strings.TrimSpace("go run ./tests/machine/cmd -package " + only + " " + list)
	case list != "":
		return fmt.Sprintf("make machine ONLY=%q", list)
	}
	return "make machine"
}

// choose takes the machines of these names, all without one, with their tests or
// those of one package.
func choose(names []string, only string) ([]kind, error) {
	var chosen []kind
	for _, k := range kinds {
		if len(names) > 0 && !slices.Contains(names, k.name) {
			continue
		}
		if only != "" {
			k.tests = slices.DeleteFunc(slices.Clone(k.tests), func(b binary) bool { return b.pkg != only })
		}
		chosen = append(chosen, k)
	}
	if len(chosen) == 0 || len(chosen) < len(names) {
		return nil, fmt.Errorf("there are not all of these machines: %q", names)
	}
	return chosen, nil
}

func one(k kind, dir string, limit time.Duration) (*outcome, error) {
	img, err := build(k, dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	log, err := os.Create(filepath.Join(dir, k.name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	out, err := boot(k, img, log, limit)
	if err != nil {
		err = fmt.Errorf("%s: %w (what it printed: %s)", k.name, err, log.Name())
	}
	return out, err
}
