package launch

import (
	"errors"
	"fmt"
	"os"

	"sallyport/internal/launch/stage"
	"sallyport/internal/seccomp"
)

// Phase is how far a worker has come, by which its notices are judged. It only
// ever grows.
type Phase = seccomp.Phase

const (
	Launching = seccomp.Launching
	Starting  = seccomp.Starting
	Running   = seccomp.Running
)

// Verdict is the answer to a notice. The zero value is a breach.
type Verdict struct {
	Continue bool  // the kernel runs the call as it stands
	Errno    int32 // the call fails with this, when not 0; wins over Continue
}

// Spec describes one worker. The files are borrowed until Start returns.
type Spec struct {
	Name string
	Exe  *os.File // an ELF file, open for reading or with O_PATH
	// Program, when not nil, is what Exe executes in its turn, from descriptor
	// stage.SecondFD: Exe is a launcher, and this one exec more continues.
	Program *os.File
	Args    []string // argv, the name included; empty means Name alone
	Env     []string

	UID, GID uint32 // not 0, unless SharedID
	// SharedID keeps the supervisor's ids: for a user namespace that maps a
	// single one. Tasks is not set then, the kernel would count everybody's.
	SharedID bool

	// Filter is an array of struct sock_filter in native layout. Where it
	// compares with pidpin.Template, the stage puts the worker's pid.
	Filter []byte
	// Decide judges a notice in phase Starting or Running. It is called with
	// one notice at a time, under a lock: it must be quick and may not call
	// the Process. Nil makes every notice a breach.
	Decide func(phase Phase, nr int32, args [6]uint64) Verdict

	OpenFiles uint32 // 1 to 256; 0 means 64
	Tasks     uint32 // processes and threads of the uid; 0 = no limit
	Data      uint64 // bytes of private writable memory, 0 = no limit; a Go worker needs 64 MiB
	FileSize  uint64 // bytes, the largest a file may grow; 0 = no limit

	ReadOnly []string // absolute paths of directories and files to be seen in the root, read-only
	Notify   bool     // bind a datagram socket at stage.Notify; Process.Notify has it

	// Landlock is the version of its interface that confines the worker beside
	// the filter, as landlock.ABI gives it; 0 is for a kernel that has none.
	Landlock int
	// Cgroup, when not nil, is the directory of the cgroup that the stage is made
	// in.
	Cgroup *os.File

	Channel        *os.File // the worker's end, becomes its descriptor 3
	Stdout, Stderr *os.File // nil = /dev/null
}

const defaultOpenFiles = 64

func (s *Spec) check() error {
	switch {
	case s.Exe == nil:
		return errors.New("no executable")
	case s.Channel == nil:
		return errors.New("no channel")
	case len(s.Filter) == 0:
		return errors.New("no filter")
	case !s.SharedID && (s.UID == 0 || s.GID == 0):
		return fmt.Errorf("user %d and group %d: a worker never runs as root", s.UID, s.GID)
	case s.OpenFiles > stage.MaxOpenFiles:
		return fmt.Errorf("%d open files: the most is %d", s.OpenFiles, stage.MaxOpenFiles)
	}
	return nil
}

func (s *Spec) order() *stage.Order {
	o := &stage.Order{
		Args: s.Args, Env: s.Env, UID: s.UID, GID: s.GID, SharedID: s.SharedID, Filter: s.Filter,
		OpenFiles: s.OpenFiles, Tasks: s.Tasks, Data: s.Data, FileSize: s.FileSize,
		Program: s.Program != nil, Notify: s.Notify, ReadOnly: s.ReadOnly, Landlock: s.Landlock,
	}
	if len(o.Args) == 0 {
		o.Args = []string{s.Name}
	}
	if o.OpenFiles == 0 {
		o.OpenFiles = defaultOpenFiles
	}
	return o
}
