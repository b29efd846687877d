package main

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io/fs"
	"time"

	"sallyport/internal/launch"
	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/policy"
)

// filter is what a worker is confined by: the profile with its variables bound,
// and the program that was compiled from it and verified against it.
type filter struct {
	text    [sha256.Size]byte // of the profile's file and those that it includes, one after the other
	bound   *seccomp.Bound
	program *seccomp.Program
	took    time.Duration // to compile and verify
	by      *filters
}

// filters reads profiles from the ones built into a supervisor: this one, or the
// one that started a process which runs on under this one.
type filters struct{ source texts }

func newFilters() (*filters, error) {
	source, err := textsOf(policy.Files)
	if err != nil {
		return nil, fmt.Errorf("built-in profiles: %w", err)
	}
	return &filters{source: source}, nil
}

// bind reads a profile: all that is wanted of one under which a process runs,
// whose program is in the kernel already.
func (f *filters) bind(profile string, vars seccomp.Vars) (*filter, error) {
	source := &hashed{FS: f.source, sum: sha256.New()}
	p, err := seccomp.Parse(profile, source)
	if err != nil {
		return nil, err
	}
	bound, err := p.Bind(seccomp.Native(), vars)
	if err != nil {
		return nil, err
	}
	return &filter{text: [sha256.Size]byte(source.sum.Sum(nil)), bound: bound, by: f}, nil
}

// compile makes the filter of one worker. The queue ids in vars are fixed for
// the life of the supervisor, so one compilation serves every epoch.
func (f *filters) compile(profile string, vars seccomp.Vars) (*filter, error) {
	start := time.Now()
	made, err := f.bind(profile, vars)
	if err != nil {
		return nil, err
	}
	if made.program, err = scmp.Compile(made.bound); err != nil {
		return nil, fmt.Errorf("profile %s: %w", profile, err)
	}
	if err := seccomp.Verify(made.bound, made.program); err != nil {
		return nil, fmt.Errorf("profile %s: the compiled filter does not say what the profile says: %w", profile, err)
	}
	made.took = time.Since(start)
	return made, nil
}

// hashed hashes what is read, in the order in which it is opened.
type hashed struct {
	fs.FS
	sum hash.Hash
}

func (h *hashed) Open(name string) (fs.File, error) {
	text, err := fs.ReadFile(h.FS, name)
	if err != nil {
		return nil, err
	}
	_, _ = h.sum.Write(text) // never fails (hash.Hash)
	return h.FS.Open(name)
}

// decide answers a notice by number, register arguments and phase; nothing of
// the worker's memory is read, so there is nothing to race with.
func (f *filter) decide(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
	switch d := f.bound.Decide(phase, uint32(nr), args); d.Action {
	case seccomp.Continue:
		return launch.Verdict{Continue: true}
	case seccomp.Errno:
		return launch.Verdict{Errno: int32(d.Errno)}
	}
	return launch.Verdict{}
}
