package launchtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
)

// UID and GID of the victims, outside every range that a system uses.
const (
	UID = 61999
	GID = 61998
)

// Victim is a confined victim with the other end of its channel.
type Victim struct {
	*launch.Process
	Channel *os.File
}

// Env is a worker's whole environment.
var Env = []string{"GOMAXPROCS=2"}

// Decide answers the start of a Go runtime: openat fails with ENOENT and
// getppid with EPERM while Starting, nothing else and nothing later.
func Decide(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
	if phase == launch.Starting {
		switch nr {
		case unix.SYS_OPENAT:
			return launch.Verdict{Errno: int32(unix.ENOENT)}
		case unix.SYS_GETPPID:
			return launch.Verdict{Errno: int32(unix.EPERM)}
		}
	}
	return launch.Verdict{}
}

// Start launches the victim in b with spec's Filter, Args, ids and limits,
// what is missing filled in, and waits for its "up". The caller ends it.
func Start(l *launch.Launcher, b Built, spec launch.Spec) (*Victim, error) {
	exe, err := os.Open(b.Victim)
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	return StartFile(l, exe, spec)
}

// StartFile is Start with an open victim.
func StartFile(l *launch.Launcher, exe *os.File, spec launch.Spec) (*Victim, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	mine, worker := os.NewFile(uintptr(pair[0]), "channel"), os.NewFile(uintptr(pair[1]), "worker's end")
	defer worker.Close()
	spec.Channel = worker
	if spec.Exe == nil {
		spec.Exe = exe
	}
	if spec.Name == "" {
		spec.Name = "victim"
	}
	if spec.Filter == nil {
		spec.Filter = Filter()
	}
	if spec.Decide == nil {
		spec.Decide = Decide
	}
	if spec.Env == nil {
		spec.Env = Env
	}
	if !spec.SharedID && spec.UID == 0 {
		spec.UID, spec.GID = UID, GID
	}
	p, err := l.Start(context.Background(), spec)
	if err != nil {
		mine.Close()
		return nil, err
	}
	return &Victim{p, mine}, nil
}

// Tell sends a word. The answer comes by Hear, if the worker lives.
func (v *Victim) Tell(word string) error {
	_, err := unix.Write(int(v.Channel.Fd()), []byte(word))
	return err
}

// Hear takes the next record of the victim, "" when it is gone.
func (v *Victim) Hear() (string, error) {
	fd := int(v.Channel.Fd())
	wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		n, err := unix.Poll(wait, 1000)
		if n == 0 || err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		var buf [128]byte
		m, err := unix.Read(fd, buf[:])
		if err == unix.ECONNRESET {
			return "", nil
		}
		return string(buf[:max(m, 0)]), err
	}
	return "", errors.New("the victim said nothing for 5 s")
}

// Expect hears one record and compares.
func (v *Victim) Expect(want string) error {
	got, err := v.Hear()
	if err == nil && got != want {
		err = fmt.Errorf("the victim said %q, want %q", got, want)
	}
	return err
}

// Gone waits for the end, 5 s at most.
func (v *Victim) Gone() (launch.Exit, error) {
	select {
	case <-v.Done():
		return v.Exit(), nil
	case <-time.After(5 * time.Second):
		return launch.Exit{}, errors.New("the victim still lives after 5 s")
	}
}

// End kills and waits.
func (v *Victim) End() error {
	_ = v.Kill() // it may have ended by itself
	_, err := v.Gone()
	return errors.Join(err, v.Channel.Close())
}
