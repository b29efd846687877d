package main

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/install"
	"sallyport/internal/seccomp"
)

// trialUID is the user of a program under test: outside of every range that a
// system gives out.
const trialUID = 61997

// tried is how a program ended under a profile.
type tried struct {
	Profile string       `json:"profile"`
	Command []string     `json:"command"`
	Exit    int          `json:"exit"` // -1: by a signal
	Signal  string       `json:"signal,omitempty"`
	Breach  *triedBreach `json:"breach,omitempty"`
}

type triedBreach struct {
	Call    string `json:"call"`
	Phase   string `json:"phase"`
	Profile string `json:"profile"`
	Line    int    `json:"line"`
	Rule    string `json:"rule"`
}

func policyTest(f *policyFlags) *cobra.Command {
	var readOnly []string
	var grace time.Duration
	var memory uint64
	c := &cobra.Command{
		Use: "test PROFILE -- CMD [ARG...]", Short: "run a program as a worker that is granted nothing, under a profile",
		Long: "The program is confined as every worker: its own user, an empty root but for --read-only (the\n" +
			"libraries of the system, if it is dynamic), the filter. Its output is shown. Exit code 1 when\n" +
			"it made a call that the profile does not admit, or failed.",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := f.try(c, args[0], args[1:], map[string]any{"read_only": readOnly, "start_grace_ms": grace.Milliseconds(), "memory_bytes": memory << 20})
			if err != nil {
				return err
			}
			return f.showTried(c, t)
		},
	}
	c.Flags().StringSliceVar(&readOnly, "read-only", nil, "directories that it finds in its root")
	c.Flags().DurationVar(&grace, "start-grace", 500*time.Millisecond, "how long the profile's start block is in force")
	c.Flags().Uint64Var(&memory, "memory", 0, "limit of its memory in MiB; 0 is none")
	return c
}

// try lets the supervisor run the command, with its result in a file.
func (f *policyFlags) try(c *cobra.Command, profile string, command []string, more map[string]any) (*tried, error) {
	p, err := parseProfile(profile)
	if err != nil {
		return nil, err
	}
	given, err := f.variables(p)
	if err != nil {
		return nil, err
	}
	programs, err := install.Find()
	if err != nil {
		return nil, err
	}
	name, files := source(profile)
	texts, err := textsOf(name, files)
	if err != nil {
		return nil, err
	}
	program, err := filepath.Abs(command[0])
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sallyport-try-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	request := map[string]any{"profile": name, "files": texts, "vars": unbound(given), "command": append([]string{program}, command[1:]...),
		"uid": trialUID, "result": filepath.Join(dir, "result")}
	for k, v := range more {
		request[k] = v
	}
	if list, _ := request["read_only"].([]string); len(list) == 0 {
		request["read_only"] = libraries(program)
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "trial")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	if err := f.runTrial(programs, file); err != nil {
		return nil, err
	}
	if text, err = os.ReadFile(filepath.Join(dir, "result")); err != nil {
		return nil, err
	}
	out := &tried{Profile: p.Name, Command: command}
	return out, json.Unmarshal(text, out)
}

// runTrial waits for the supervisor, which runs the program; with --json the
// program's output makes room on standard output.
func (f *policyFlags) runTrial(programs install.Dir, file string) error {
	cmd := supervisorCommand(programs, file, "error", "-try")
	cmd.Stdout = os.Stdout
	if f.asJSON {
		cmd.Stdout = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return refused(err)
	}
	if err := cmd.Wait(); err != nil {
		if failed, ok := err.(*exec.ExitError); ok {
			return exit{max(failed.ExitCode(), exitFailed), ""} // it has said why
		}
		return err
	}
	return nil
}

// unbound gives every variable that was not set no values: a program that is
// granted nothing has no lanes.
func unbound(given seccomp.Vars) seccomp.Vars {
	v := seccomp.Symbols()
	for name := range v {
		if name != "self_pid" {
			v[name] = []uint64{}
		}
	}
	for name, values := range given {
		v[name] = values
	}
	return v
}

// libraries are the directories that a dynamic program needs on most systems.
func libraries(program string) []string {
	file, err := elf.Open(program)
	if err != nil {
		return nil // the launch says it better
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		var out []string
		for _, dir := range []string{"/lib", "/lib64", "/usr/lib"} {
			if _, err := os.Stat(dir); err == nil {
				out = append(out, dir)
			}
		}
		return out
	}
	return nil
}

func (f *policyFlags) showTried(c *cobra.Command, t *tried) error {
	if f.asJSON {
		if err := printJSON(c.OutOrStdout(), t); err != nil {
			return err
		}
	}
	said := ""
	switch b := t.Breach; {
	case b != nil && b.Line > 0:
		said = fmt.Sprintf("%s, %s: not admitted by %s; nearest line %s.policy:%d: %s", b.Call, b.Phase, t.Profile, b.Profile, b.Line, b.Rule)
	case b != nil:
		said = fmt.Sprintf("%s, %s: no line of %s names it", b.Call, b.Phase, t.Profile)
	case t.Signal == "SIGSYS":
		said = "the filter killed it: a call that no profile admits, or one of another architecture"
	case t.Signal != "":
		said = "it ended by " + t.Signal
	case t.Exit != 0:
		said = fmt.Sprintf("it ended with exit code %d; every call was admitted by %s, or refused by it with an errno", t.Exit, t.Profile)
	}
	if said != "" {
		if f.asJSON {
			return exit{exitFailed, ""}
		}
		return exit{exitFailed, said}
	}
	if !f.asJSON {
		fmt.Fprintf(os.Stderr, "sallyport: exit code 0, and no call that %s does not admit\n", t.Profile)
	}
	return nil
}
