package attest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// stopWithin bounds how long a thread may take to stop. One that runs, or sleeps
// in a call that a signal could end, stops within microseconds.
const stopWithin = time.Second

// filterDumped is level 4: the kernel gives out the filter that each thread is
// under, and it is what was verified, byte for byte. No notice of the worker is
// in hand meanwhile: a thread that waits for the answer to one cannot stop.
func (f *Proof) filterDumped(d *procDir, e Expect) error {
	if e.Filters != 1 {
		return errors.New(ownFilter(e.Filters - 1))
	}
	var hash [sha256.Size]byte
	err := f.p.Undisturbed(func() (err error) {
		hash, err = dump(d)
		return err
	})
	if err != nil {
		return err
	}
	f.dump = hash
	if hash != f.filter {
		return fmt.Errorf("the kernel's dump of the filter has SHA-256 %x, the verified program has %x", hash, f.filter)
	}
	return nil
}

// tracer stops the threads of a process and asks for their filters. It belongs to
// one thread of the operating system, as ptrace(2) does.
type tracer struct {
	dir     *procDir
	stopped map[int]int // by thread: the signal to go on with
	// attached counts what is traced. What cannot be let go, because it is not
	// stopped or died meanwhile, is let go by the end of our own thread alone, and
	// until then a process that died is not reaped.
	attached int
	buf      [sys.SeccompFilterSize]byte
}

// dump returns the hash of the one filter that all threads have in common.
func dump(d *procDir) (hash [sha256.Size]byte, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The runtime never ends its first thread.
			defer runtime.UnlockOSThread()
			hash, err = dump(d)
			return
		}
		t := &tracer{dir: d, stopped: make(map[int]int)}
		hash, err = t.dump()
		t.release()
		if t.attached == 0 {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return hash, err
}

func (t *tracer) dump() (hash [sha256.Size]byte, err error) {
	if err := t.stopAll(); err != nil {
		return hash, err
	}
	var first []byte
	for tid := range t.stopped {
		n, err := sys.SeccompFilterOf(tid, 0, &t.buf)
		switch {
		case errors.Is(err, unix.EACCES):
			return hash, whyNoDump(err)
		case err != nil:
			return hash, fmt.Errorf("filter of thread %d: %w", tid, err)
		}
		switch code := t.buf[:n]; {
		case first == nil:
			first = bytes.Clone(code)
		case !bytes.Equal(code, first):
			return hash, fmt.Errorf("thread %d has another filter than the others", tid)
		}
	}
	if first == nil {
		return hash, errors.New("no thread is left")
	}
	return sha256.Sum256(first), nil
}

// stopAll stops every thread. When a list shows none that runs there is nobody
// left who could start one.
func (t *tracer) stopAll() error {
	end := time.Now().Add(stopWithin)
	for range maxRounds {
		names, err := t.dir.list("task")
		if err != nil {
			return err
		}
		var fresh []int
		for _, name := range names {
			tid, err := strconv.Atoi(name)
			if err != nil {
				return fmt.Errorf("thread %q has no number", name)
			}
			if _, ok := t.stopped[tid]; ok {
				continue
			}
			if err := t.seize(tid); err != nil {
				if t.ended(name, err) {
					continue
				}
				return err
			}
			fresh = append(fresh, tid)
		}
		if len(fresh) == 0 {
			return nil
		}
		for _, tid := range fresh {
			if err := t.await(tid, end); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("new threads in each of %d rounds", maxRounds)
}

// seize is an attachment without a signal (PTRACE_SEIZE), and the stop.
func (t *tracer) seize(tid int) error {
	if err := unix.PtraceSeize(tid); err != nil {
		return fmt.Errorf("ptrace of thread %d: %w", tid, err)
	}
	t.attached++
	if err := unix.PtraceInterrupt(tid); err != nil {
		return fmt.Errorf("stop of thread %d: %w", tid, err)
	}
	return nil
}

// ended says whether a thread that cannot be traced has come to its end. The
// kernel says EPERM for a zombie and for a thread that another program traces.
func (t *tracer) ended(name string, why error) bool {
	if !errors.Is(why, unix.EPERM) {
		return errors.Is(why, unix.ESRCH)
	}
	text, err := t.dir.read("task/" + name + "/status")
	if err != nil {
		return true
	}
	state := fields(text)["State"]
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

func (t *tracer) await(tid int, end time.Time) error {
	const pause = 10 * time.Microsecond
	for {
		stopped, status, err := sys.TraceStop(tid)
		if errors.Is(err, unix.ECHILD) {
			return nil // it died
		}
		if err != nil {
			return fmt.Errorf("stop of thread %d: %w", tid, err)
		}
		if stopped {
			signal := status
			if status>>8 != 0 {
				signal = 0 // the stop we asked for, or one of the whole group
			}
			t.stopped[tid] = signal
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("thread %d did not stop within %v", tid, stopWithin)
		}
		wait := unix.NsecToTimespec(pause.Nanoseconds())
		_ = unix.Nanosleep(&wait, nil)
	}
}

// release lets those that stopped go on, each with the signal that it stopped at.
func (t *tracer) release() {
	for tid, signal := range t.stopped {
		_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(tid), 0, uintptr(signal), 0, 0)
		if e == 0 {
			t.attached--
		}
	}
}
