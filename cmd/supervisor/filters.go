package main

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io/fs"
	"time"

	"sallyport/internal/install"
	"sallyport/internal/launch"
	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
)

// filter is what a worker is confined by: the profile with its variables bound,
// and the program that was compiled from it and verified against it.
type filter struct {
	name    string        // of the profile in files
	files   seccomp.Texts // those that were read
	profile *seccomp.Profile
	text    [sha256.Size]byte // of the profile's file and those that it includes, one after the other
	bound   *seccomp.Bound
	program *seccomp.Program
	took    time.Duration     // to compile and verify
	record  *seccomp.Recorder // not nil: every notice is written down and continued
}

// filters reads profiles, built-in ones and those in files that the owners of the
// configuration alone can write.
type filters struct {
	config string
	owners []uint32
	learn  string            // the worker whose calls are recorded instead of filtered
	record *seccomp.Recorder // of that one
}

// compile makes the filter of one worker. The queue ids in vars are fixed for
// the life of the supervisor, so one compilation serves every epoch.
func (f *filters) compile(worker, profile string, vars seccomp.Vars) (*filter, error) {
	if worker == f.learn && f.learn != "" {
		return f.recording(vars)
	}
	name, files := install.Profile(f.config, profile, f.owners)
	return compile(name, files, vars)
}

func compile(profile string, files fs.FS, vars seccomp.Vars) (*filter, error) {
	start := time.Now()
	made, err := bind(profile, files, vars)
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

// bind reads a profile: all that is wanted of one under which a process runs,
// whose program is in the kernel already.
func bind(profile string, files fs.FS, vars seccomp.Vars) (*filter, error) {
	source := &hashed{FS: files, sum: sha256.New(), read: seccomp.Texts{}}
	p, err := seccomp.Parse(profile, source)
	if err != nil {
		return nil, err
	}
	bound, err := p.Bind(seccomp.Native(), vars)
	if err != nil {
		return nil, err
	}
	return &filter{name: profile, files: source.read, profile: p, text: [sha256.Size]byte(source.sum.Sum(nil)), bound: bound}, nil
}

// hashed hashes and keeps what is read, in the order in which it is opened.
type hashed struct {
	fs.FS
	sum  hash.Hash
	read seccomp.Texts
}

func (h *hashed) Open(name string) (fs.File, error) {
	text, err := fs.ReadFile(h.FS, name)
	if err != nil {
		return nil, err
	}
	_, _ = h.sum.Write(text) // never fails (hash.Hash)
	h.read[name] = string(text)
	return h.read.Open(name)
}

// decide answers a notice by number, register arguments and phase; nothing of
// the worker's memory is read, so there is nothing to race with.
func (f *filter) decide(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
	if f.record != nil {
		return f.write(phase, uint32(nr), args)
	}
	switch d := f.bound.Decide(phase, uint32(nr), args); d.Action {
	case seccomp.Continue:
		return launch.Verdict{Continue: true}
	case seccomp.Errno:
		return launch.Verdict{Errno: int32(d.Errno)}
	}
	return launch.Verdict{}
}
