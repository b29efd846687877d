package kill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/tests/kill/wire"
)

// stuckAfter is how long any step may take if Config does not say; the slowest
// takes milliseconds.
const stuckAfter = 15 * time.Second

// errDead: the process ended by SIGKILL, as planned.
var errDead = errors.New("killed")

// errEnded: the process ended in another way.
var errEnded = errors.New("ended by itself")

// actor is a process that plays a parent or a worker. It belongs to one lane.
type actor struct {
	pid     int
	control *os.File
	buf     []byte

	// forgotten are numbers that may stay open: their close was not made.
	forgotten map[int]bool
	early     *wire.Answer // one that came in place of another, to be read next

	mu     sync.Mutex // held while the process is reaped, or killed from outside
	reaped bool
}

// start runs argv, whose last process is to be an actor.
func start(argv []string, stderr *os.File) (*actor, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1])
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(pair[0])
		return nil, os.NewSyscallError("open", err)
	}
	defer unix.Close(null)
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env:   []string{"GOMAXPROCS=2", "GOGC=off", "GODEBUG=containermaxprocs=0"}, // the last: no files of cgroups in the table
		Files: []uintptr{uintptr(null), uintptr(null), stderr.Fd(), uintptr(pair[1])},
	})
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	_ = unix.SetNonblock(pair[0], true)
	return &actor{pid: pid, control: os.NewFile(uintptr(pair[0]), "control"), buf: make([]byte, 128<<10)}, nil
}

func (a *actor) order(o wire.Order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = a.control.Write(text)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return a.reap()
	}
	return err
}

// await reads the next answer. After a death it is errDead, or the error that
// says how else the process ended.
func (a *actor) await(limit time.Duration) (wire.Answer, error) {
	if a.early != nil {
		answer := *a.early
		a.early = nil
		return answer, nil
	}
	if err := a.control.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return wire.Answer{}, err
	}
	n, err := a.control.Read(a.buf)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		return wire.Answer{}, a.reap()
	case err != nil:
		return wire.Answer{}, err
	}
	var answer wire.Answer
	if err := json.Unmarshal(a.buf[:n], &answer); err != nil {
		return answer, fmt.Errorf("answer %q: %w", a.buf[:n], err)
	}
	return answer, nil
}

// reap takes the status of a process whose control has ended.
func (a *actor) reap() error {
	if a.control == nil {
		return errDead
	}
	_ = a.control.Close()
	a.control = nil
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reaped = true
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(a.pid, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("wait4", err)
		}
		break
	}
	if status.Signaled() && status.Signal() == unix.SIGKILL {
		return errDead
	}
	return fmt.Errorf("process %d %w, wait status %#x", a.pid, errEnded, uint32(status))
}

func (a *actor) dead() bool { return a == nil || a.control == nil }

// killAfter sends SIGKILL some time from now, wherever the process is then.
func (a *actor) killAfter(d time.Duration) {
	time.AfterFunc(d, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.reaped {
			_ = unix.Kill(a.pid, unix.SIGKILL)
		}
	})
}

// kill ends a process that nobody needs any more.
func (a *actor) kill() {
	if a.dead() {
		return
	}
	_ = unix.Kill(a.pid, unix.SIGKILL)
	_ = a.reap()
}
