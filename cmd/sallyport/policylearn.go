package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sallyport/internal/install"
	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// learned is what the supervisor leaves behind after a run with -learn.
type learned struct {
	Worker   string              `json:"worker"`
	Arch     string              `json:"arch"`
	Vars     map[string][]uint64 `json:"vars"`
	Protocol int                 `json:"protocol"`
	Program  string              `json:"program"`
	Empty    bool                `json:"empty_root"`
	Seen     []seccomp.Seen      `json:"seen"`
	Lost     int                 `json:"lost"`
}

func policyLearn(f *policyFlags) *cobra.Command {
	var file, out, level string
	var length time.Duration
	c := &cobra.Command{
		Use: "learn WORKER --config FILE", Short: "run a worker with every call recorded, and propose a profile for it", Args: exactly(1),
		Long: "Runs the configuration in the foreground. The worker that is named is not filtered: every\n" +
			"call that it makes is recorded and goes on, so run only a program that you trust. At the end\n" +
			"(Ctrl-C, or --for) the smallest profile for what was seen is written, to be read, trimmed and\n" +
			"named in the configuration by hand: policy = \"./WORKER.policy\". Nothing uses it by itself.",
		RunE: func(c *cobra.Command, args []string) error {
			if file == "" {
				return exit{exitUsage, "--config FILE: the configuration that has the worker"}
			}
			if err := existing(file); err != nil {
				return err
			}
			ctx := c.Context()
			if length > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, length)
				defer cancel()
			}
			l, err := learn(ctx, file, args[0], level)
			if err != nil {
				return err
			}
			return f.propose(c.OutOrStdout(), out, l)
		},
	}
	c.Flags().StringVar(&file, "config", "", "the configuration")
	c.Flags().StringVarP(&out, "output", "o", "", "write the proposal into this new file")
	c.Flags().StringVar(&level, "log-level", "warn", "of the supervisor: debug, info, warn or error")
	c.Flags().DurationVar(&length, "for", 0, "end after this time; 0 runs until Ctrl-C")
	return c
}

// learn runs the supervisor until ctx ends, and reads what it recorded.
func learn(ctx context.Context, file, worker, level string) (*learned, error) {
	runtime.LockOSThread() // PDEATHSIG follows the thread that starts the supervisor
	programs, err := install.Find()
	if err != nil {
		return nil, err
	}
	cfg, err := programs.Rules(nil).Load(file)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, w := range cfg.Workers {
		names = append(names, w.Name)
	}
	if !slices.Contains(names, worker) {
		return nil, exit{exitNoSuch, fmt.Sprintf("%s starts no worker %q; it starts %s", file, worker, strings.Join(names, ", "))}
	}
	dir, err := os.MkdirTemp("", "sallyport-learn-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	record := filepath.Join(dir, "calls")
	p, err := startSupervisor(programs, file, level, "-learn="+worker, "-learned="+record)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
	case <-p.done:
	}
	if code := p.stop(); code != 0 {
		return nil, exit{code, ""} // it has said why
	}
	text, err := os.ReadFile(record)
	if err != nil {
		return nil, fmt.Errorf("nothing was recorded: %w", err)
	}
	l := &learned{}
	return l, json.Unmarshal(text, l)
}

// propose writes the profile: to a file that must not be there yet, or to out.
func (f *policyFlags) propose(out io.Writer, path string, l *learned) error {
	if len(l.Seen) == 0 {
		return exit{exitFailed, fmt.Sprintf("worker %s made no call: it was never started", l.Worker)}
	}
	arch, err := seccomp.ParseArch(l.Arch)
	if err != nil {
		return err
	}
	text, err := seccomp.Propose(seccomp.Learned{Worker: l.Worker, Arch: arch, Seen: l.Seen, Vars: l.Vars, EmptyRoot: l.Empty,
		Groups: groupsFor(l), Files: policy.Files})
	if err != nil {
		return err
	}
	if l.Lost > 0 {
		fmt.Fprintf(os.Stderr, "sallyport: %d calls of further kinds were not kept\n", l.Lost)
	}
	if f.asJSON {
		return printJSON(out, map[string]any{"worker": l.Worker, "arch": l.Arch, "profile": text, "calls": seenRows(arch, l.Seen), "lost": l.Lost})
	}
	if path == "" {
		_, err = io.WriteString(out, text)
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return exit{exitFailed, path + " is there already; a proposal replaces nothing"}
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	return errors.Join(err, file.Close())
}

// groupsFor are the groups with the calls that come by chance: those of the
// hand-over, and those of Go's runtime where the program was built by Go.
func groupsFor(l *learned) []string {
	var groups []string
	if _, err := buildinfo.ReadFile(l.Program); err == nil {
		groups = append(groups, "go-runtime")
	}
	if l.Protocol == 2 {
		groups = append(groups, "sallyport-worker")
	}
	return groups
}

type seenRow struct {
	Phase string `json:"phase"`
	Call  string `json:"call"` // the first of its kind
	Count int    `json:"count"`
}

func seenRows(a seccomp.Arch, seen []seccomp.Seen) []seenRow {
	var rows []seenRow
	for _, s := range seen {
		rows = append(rows, seenRow{s.Phase.String(), seccomp.Describe(a, s.Nr, s.Args), s.Count})
	}
	return rows
}
