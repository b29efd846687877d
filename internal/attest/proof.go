package attest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
)

const (
	// DumpLevel compares the kernel's dump of the filter. What a worker alone may
	// hold is granted at no lower level.
	DumpLevel = 4
	// MaxLevel is the highest level that Prove knows.
	MaxLevel = DumpLevel
)

// Expect is what the worker should look like.
type Expect struct {
	UID, GID uint32
	SharedID bool     // ids as expected, groups not looked at: they cannot be emptied there
	Filters  int      // OwnFilters() + 1
	Exe      *os.File // the file launched, borrowed
	Program  *os.File // what it is to execute in its turn, borrowed; nil for nothing
	Root     []string // names that its root holds
	Reads    bool     // it may have opened files beneath them, to read, and copied 0 to 3
}

// Proof is what was found. It satisfies what pkg/scmrights asks of one.
type Proof struct {
	level   int
	p       *launch.Process
	threads int
	filter  [32]byte // of the verified program, with the worker's pid in it
	dump    [32]byte // of what the kernel gave out
	taken   time.Time
	took    []time.Duration // by level, from 1
}

// Prove takes a proof of the level, 1 to MaxLevel, with all levels below it.
// It costs about 0.1 ms for each four threads and level.
func Prove(p *launch.Process, e Expect, level int) (*Proof, error) {
	if level < 1 || level > MaxLevel {
		return nil, fmt.Errorf("proof of %s: there is no level %d, the highest is %d", p.Name(), level, MaxLevel)
	}
	proof := &Proof{level: level, p: p, taken: time.Now()}
	if err := proof.take(e); err != nil {
		return nil, fmt.Errorf("proof of %s at level %d: %w", p.Name(), level, err)
	}
	return proof, nil
}

func (f *Proof) take(e Expect) error {
	dir, err := openProc(f.p.PID())
	if err != nil {
		return err
	}
	defer dir.close()
	// The directory is the worker's only if the worker was not reaped, and its
	// id given to another, before it was opened.
	if err := f.Check(); err != nil {
		return err
	}
	steps := []func(*procDir, Expect) error{f.threadsConfined, f.surroundings, f.execNoticed, f.filterDumped}
	for i := range f.level {
		start := time.Now()
		if err := steps[i](dir, e); err != nil {
			if gone := f.goneWithin(endsWithin); gone != nil {
				return gone // the better reason
			}
			return err
		}
		f.took = append(f.took, time.Since(start))
	}
	return f.Check()
}

// Sweep takes level 1 again, later. A worker that is gone has not drifted: nil.
func (f *Proof) Sweep(e Expect) error {
	again := &Proof{level: 1, p: f.p, taken: time.Now()}
	err := again.take(e)
	if err != nil && f.goneWithin(endsWithin) != nil {
		return nil
	}
	return err
}

// execNoticed is level 3.
func (f *Proof) execNoticed(*procDir, Expect) error {
	notice, ok := f.p.ExecNotice()
	if !ok {
		return errors.New("the exec of the worker came with no notice: nothing shows that its filter is the one loaded")
	}
	f.filter = notice.Filter
	return nil
}

// Level is the level that was proved.
func (f *Proof) Level() int { return f.level }

// Took is how long a level took, 0 when it was not part of the proof.
func (f *Proof) Took(level int) time.Duration {
	if level < 1 || level > len(f.took) {
		return 0
	}
	return f.took[level-1]
}

// Check says whether the process that was proved still lives.
func (f *Proof) Check() error { return f.goneWithin(0) }

// endsWithin is how long a worker that is being killed may take to be a zombie:
// until then its threads vanish one by one, and what is read of it is odd.
const endsWithin = 100 * time.Millisecond

// goneWithin is an error when the worker is dead by then.
func (f *Proof) goneWithin(limit time.Duration) error {
	select {
	case <-f.p.Done():
		return errors.New("the worker is gone")
	default:
	}
	conn, err := f.p.PidFD().SyscallConn()
	if err != nil {
		return errors.New("the worker is gone")
	}
	dead := true
	err = conn.Control(func(fd uintptr) {
		// A pidfd is readable from the moment its process is a zombie.
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(set, int(limit.Milliseconds()))
			if err == unix.EINTR {
				continue
			}
			dead = err != nil || n != 0
			return
		}
	})
	if err != nil || dead {
		return errors.New("the worker is dead")
	}
	return nil
}

// String is one line for the log.
func (f *Proof) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "level %d, %d threads", f.level, f.threads)
	if f.level >= 3 {
		fmt.Fprintf(&b, ", filter %s", hex.EncodeToString(f.filter[:6]))
	}
	for i, d := range f.took {
		fmt.Fprintf(&b, ", level %d in %v", i+1, d.Round(time.Microsecond))
	}
	return b.String()
}
