package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/install"
	"sallyport/internal/landlock"
	"sallyport/internal/launch"
	"sallyport/internal/seccomp"
	"sallyport/pkg/scmrights"
)

// trial is one program to be run as a worker that is granted nothing, under a
// profile: what `sallyport policy test` asks for, in a file.
type trial struct {
	Profile  string              `json:"profile"`
	Files    map[string]string   `json:"files"` // by name, NAME.policy
	Vars     map[string][]uint64 `json:"vars"`
	Command  []string            `json:"command"`
	ReadOnly []string            `json:"read_only"`
	GraceMS  int64               `json:"start_grace_ms"` // from the exec to the end of the start
	UID      uint32              `json:"uid"`
	MemoryB  uint64              `json:"memory_bytes"`
	Result   string              `json:"result"` // file for the verdict
}

// tried is how the program ended.
type tried struct {
	Exit   int     `json:"exit"`             // -1: by a signal
	Signal string  `json:"signal,omitempty"` // SIGSYS: the filter killed it
	Breach *breach `json:"breach,omitempty"`
}

type breach struct {
	Call    string `json:"call"`
	Phase   string `json:"phase"`
	Profile string `json:"profile"`
	Line    int    `json:"line"`
	Rule    string `json:"rule"`
}

// try runs one program to its end.
func try(o options, _ hclog.Logger) error {
	text, err := config.Text(o.file)
	if err != nil {
		return err
	}
	var t trial
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("%s: %w", o.file, err)
	}
	made, err := compile(t.Profile, seccomp.Texts(t.Files), t.Vars)
	if err != nil {
		return err
	}
	out, err := t.run(o, made)
	if err != nil {
		return err
	}
	text, err = json.Marshal(out)
	if err != nil {
		return err
	}
	return os.WriteFile(t.Result, text, 0o600)
}

func (t *trial) run(o options, made *filter) (*tried, error) {
	owners, err := o.alsoOwner()
	if err != nil {
		return nil, err
	}
	programs, err := install.Find()
	if err != nil {
		return nil, err
	}
	exe, err := config.Binary(programs.Command(t.Command[0]), owners...)
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	stage, err := config.Binary(programs.Worker(), owners...)
	if err != nil {
		return nil, err
	}
	defer stage.Close()
	launcher, err := launch.New(stage)
	if err != nil {
		return nil, err
	}
	defer launcher.Close()
	ours, theirs, err := scmrights.Pair()
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	defer theirs.Close()
	abi, _ := landlock.ABI() // 0 where there is none, as for every worker whose configuration waives it
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	p, err := launcher.Start(ctx, launch.Spec{Name: "trial", Exe: exe, Args: t.Command, Env: []string{"GOMAXPROCS=2"}, ReadOnly: t.ReadOnly, Landlock: abi,
		UID: t.UID, GID: t.UID, SharedID: o.rootless, Filter: made.program.BPF, Decide: made.decide, Data: t.MemoryB,
		Channel: theirs, Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		return nil, err
	}
	grace := time.AfterFunc(time.Duration(t.GraceMS)*time.Millisecond, func() { p.SetPhase(launch.Running) })
	defer grace.Stop()
	select {
	case <-p.Done():
	case <-ctx.Done():
		_ = p.Kill() // it may have ended by now
		<-p.Done()
		return nil, errors.New("interrupted")
	}
	return made.tried(p.Exit()), nil
}

func (f *filter) tried(e launch.Exit) *tried {
	out := &tried{Exit: -1}
	switch {
	case e.Status.Exited():
		out.Exit = e.Status.ExitStatus()
	case e.Status.Signaled():
		out.Signal = unix.SignalName(e.Status.Signal())
	}
	if b := e.Breach; b != nil {
		d := f.bound.Decide(b.Phase, uint32(b.Nr), b.Args)
		out.Breach = &breach{seccomp.Describe(f.bound.Arch, uint32(b.Nr), b.Args), b.Phase.String(), d.Profile, d.Line, d.Rule}
	}
	return out
}
