package modelcheck

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Search is one call of spin, the C compiler and the verifier.
type Search struct {
	Name     string
	Goal     string   // Safety, or a property over time
	Switches []string // of the preprocessor
	Long     bool     // worth an optimised verifier
	Whole    bool     // partial order reduction off, which remote references need; over time it always is
}

// Outcome is what the verifier said.
type Outcome struct {
	Complete  bool   // it looked at everything
	Broken    string // property that does not hold, "" when none was found
	States    int64
	MegaBytes float64
	Seconds   float64
	unreached map[string]map[place]bool // proctype -> lines
}

// Limits of one search: memory in MB, and the longest path.
const (
	maxMegaBytes = 1900
	maxDepth     = 2000000
)

// verifier is the name under which the search's program can be used again: all
// properties over time of one configuration are in one.
func (s *Search) verifier() string {
	return fmt.Sprint(s.Goal == Safety, s.Long, s.Whole, s.Switches)
}

// build makes the verifier in a new folder beneath scratch and returns the folder.
func (s *Search) build(ctx context.Context, model, scratch string) (string, error) {
	dir, err := os.MkdirTemp(scratch, "model")
	if err != nil {
		return "", err
	}
	model, err = filepath.Abs(model)
	if err != nil {
		return "", err
	}
	spin := []string{"-a"}
	compiler := []string{"-w", "-o", "pan", "-DCOLLAPSE", "-DNFAIR=4", fmt.Sprintf("-DMEMLIM=%d", maxMegaBytes)}
	for _, w := range s.Switches {
		spin = append(spin, "-D"+w)
	}
	if s.Goal == Safety {
		compiler = append(compiler, "-DSAFETY")
	} else {
		spin = append(spin, "-DLIVENESS")
	}
	if s.Whole || s.Goal != Safety {
		compiler = append(compiler, "-DNOREDUCE")
	}
	if s.Long {
		compiler = append(compiler, "-O1")
	}
	out, err := command(ctx, dir, "spin", append(spin, filepath.Join(model, "handover.pml"))...)
	if err != nil || strings.Contains(out, "Error") {
		return "", fmt.Errorf("%s does not parse: %v\n%s", s.Name, err, out)
	}
	if out, err = command(ctx, dir, "gcc", append(compiler, "pan.c")...); err != nil {
		return "", fmt.Errorf("%s does not compile: %w\n%s", s.Name, err, out)
	}
	return dir, nil
}

// do runs the verifier of a folder.
func (s *Search) do(ctx context.Context, dir string) (Outcome, error) {
	args := []string{fmt.Sprintf("-m%d", maxDepth), "-w22"}
	if s.Goal != Safety {
		args = append(args, "-a", "-f", "-N", s.Goal)
	}
	out, err := command(ctx, dir, "./pan", args...)
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: pan: %w\n%s", s.Name, err, out)
	}
	return ReadOutcome(out, s.Goal)
}

func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

var (
	errorsSaid = regexp.MustCompile(`, errors: (\d+)`)
	statesSaid = regexp.MustCompile(`^\s*([0-9.e+]+) states, stored(?: \(([0-9.e+]+) visited\))?`)
	memorySaid = regexp.MustCompile(`^\s*([0-9.]+)\s+total actual memory usage`)
	timeSaid   = regexp.MustCompile(`^pan: elapsed time ([0-9.e+-]+) seconds`)
	brokenSaid = regexp.MustCompile(`^pan:\d+: assertion violated \(*([a-z_]+)`)
	stuckSaid  = regexp.MustCompile(`^pan:\d+: invalid end state`)
	cycleSaid  = regexp.MustCompile(`^pan:\d+: acceptance cycle`)
	insideSaid = regexp.MustCompile(`^unreached in proctype (\w+)`)
	placeSaid  = regexp.MustCompile(`^\t\S*?([\w.]+):(\d+), state \d+, "(.*)"`)
)

// NoWayOut is the name under which states without a successor are reported.
const NoWayOut = "no_way_out"

// ReadOutcome reads what the verifier wrote. Output in which the counts are
// missing is an error: silence is no success.
func ReadOutcome(out, goal string) (Outcome, error) {
	o := Outcome{Complete: true, unreached: map[string]map[place]bool{}}
	found, count, inside := false, "", ""
	for scanner := bufio.NewScanner(strings.NewReader(out)); scanner.Scan(); {
		line := scanner.Text()
		switch {
		case strings.Contains(line, "Search not completed"), strings.Contains(line, "max search depth too small"),
			strings.Contains(line, "reached -DMEMLIM bound"), strings.Contains(line, "out of memory"):
			o.Complete = false
		case brokenSaid.MatchString(line):
			o.Broken = brokenSaid.FindStringSubmatch(line)[1]
		case stuckSaid.MatchString(line):
			o.Broken = NoWayOut
		case cycleSaid.MatchString(line):
			o.Broken = goal
		case statesSaid.MatchString(line):
			m := statesSaid.FindStringSubmatch(line)
			n, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				return o, fmt.Errorf("count of states %q: %w", line, err)
			}
			o.States, found = int64(n), true
		case memorySaid.MatchString(line):
			o.MegaBytes, _ = strconv.ParseFloat(memorySaid.FindStringSubmatch(line)[1], 64)
		case timeSaid.MatchString(line):
			o.Seconds, _ = strconv.ParseFloat(timeSaid.FindStringSubmatch(line)[1], 64)
		case insideSaid.MatchString(line):
			inside = insideSaid.FindStringSubmatch(line)[1]
			o.unreached[inside] = map[place]bool{}
		case strings.HasPrefix(line, "unreached in"):
			inside = ""
		case inside != "" && placeSaid.MatchString(line):
			m := placeSaid.FindStringSubmatch(line)
			if n, err := strconv.Atoi(m[2]); err == nil && m[3] != "-end-" {
				o.unreached[inside][place{m[1], n}] = true
			}
		}
		if m := errorsSaid.FindStringSubmatch(line); m != nil {
			count = m[1]
		}
	}
	if !found || count == "" {
		return o, fmt.Errorf("the verifier did not come to its end:\n%s", out)
	}
	if (count != "0") != (o.Broken != "") {
		return o, fmt.Errorf("the verifier counts %s errors and names %q:\n%s", count, o.Broken, out)
	}
	return o, nil
}
