package stage

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// executable moves the worker's binary to ExecFD and marks everything but the
// worker's four descriptors to be closed by the exec. They are marked and not
// closed, because the runtime of the stage still owns some of them and ends
// the process when one goes away; the exec itself makes no difference.
func executable(o *Order) error {
	_, hard, err := sys.LaunchLimits(unix.RLIMIT_NOFILE)
	if err != nil {
		return err
	}
	need := uint64(ExecFD + 1)
	if o.Program || o.Notify {
		need = NotifyFD + 1
	}
	hard = max(hard, need) // to raise it needs CAP_SYS_RESOURCE
	if err := sys.LaunchLimit(unix.RLIMIT_NOFILE, hard, hard); err != nil {
		return fmt.Errorf("the hard limit of open files must be at least %d (ulimit -Hn): %w", need, err)
	}
	if err := unix.Dup3(ExeFD, ExecFD, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("dup3 to %d: %w", ExecFD, err)
	}
	for _, move := range []struct {
		wanted   bool
		from, to int
	}{{o.Program, ProgramFD, SecondFD}, {o.Notify, o.notifySocket, NotifyFD}} {
		if !move.wanted {
			continue
		}
		if err := unix.Dup3(move.from, move.to, unix.O_CLOEXEC); err != nil {
			return fmt.Errorf("dup3 to %d: %w", move.to, err)
		}
	}
	if err := unix.CloseRange(ChannelFD+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range (with CLOSE_RANGE_CLOEXEC since Linux 5.11): %w", err)
	}
	if o.Program {
		// The launcher is to have this one, and marks it again.
		if _, err := unix.FcntlInt(SecondFD, unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("fcntl of %d: %w", SecondFD, err)
		}
	}
	return nil
}

// limits lowers soft and hard limits. The address space is never limited: a Go
// runtime reserves far more than it uses and dies of it.
func limits(o *Order) error {
	if o.OpenFiles == 0 || o.OpenFiles > MaxOpenFiles {
		return fmt.Errorf("%d open files: want 1 to %d", o.OpenFiles, MaxOpenFiles)
	}
	set := []struct {
		name     string
		resource int
		value    uint64
		skip     bool
	}{
		{"NOFILE", unix.RLIMIT_NOFILE, uint64(o.OpenFiles), false},
		// Threads are counted per id, and a shared one counts everybody's.
		{"NPROC", unix.RLIMIT_NPROC, uint64(o.Tasks), o.Tasks == 0 || o.SharedID},
		{"DATA", unix.RLIMIT_DATA, o.Data, o.Data == 0},
		{"FSIZE", unix.RLIMIT_FSIZE, o.FileSize, o.FileSize == 0},
		{"CORE", unix.RLIMIT_CORE, 0, false},
		{"MEMLOCK", unix.RLIMIT_MEMLOCK, 0, false},
		{"RTPRIO", unix.RLIMIT_RTPRIO, 0, false},
	}
	for _, l := range set {
		if l.skip {
			continue
		}
		if err := sys.LaunchLimit(l.resource, l.value, l.value); err != nil {
			return fmt.Errorf("RLIMIT_%s %d: %w", l.name, l.value, err)
		}
	}
	return nil
}
