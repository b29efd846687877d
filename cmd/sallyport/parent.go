package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/install"
)

// parent is the running supervisor as the demo sees it.
type parent struct {
	cmd  *exec.Cmd
	done chan struct{}
	once sync.Once
}

// startSupervisor starts it as it is, or, without root, as root of a user
// namespace of its own in which one id is mapped: ours. It ends in order when
// this command dies (PDEATHSIG), and it is out of reach of the terminal's
// Ctrl-C, which is for this command.
func startSupervisor(programs install.Dir, config, level string, flags ...string) (*parent, error) {
	cmd := supervisorCommand(programs, config, level, flags...)
	if err := cmd.Start(); err != nil {
		return nil, refused(err)
	}
	p := &parent{cmd: cmd, done: make(chan struct{})}
	go func() {
		cmd.Wait() // the code is read from ProcessState
		close(p.done)
	}()
	return p, nil
}

// supervisorCommand is the supervisor on a file, ready to be started.
func supervisorCommand(programs install.Dir, config, level string, flags ...string) *exec.Cmd {
	cmd := exec.Command(programs.Supervisor(), append(flags, "-log-level="+level)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	owner := os.Getenv("SUDO_UID") // a clone belongs to whoever typed sudo
	if os.Geteuid() != 0 {
		cmd.Args = append(cmd.Args, "-rootless")
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		owner = strconv.Itoa(overflowID) // root's installed files, as seen from inside
	}
	if owner != "" {
		cmd.Args = append(cmd.Args, "-owner="+owner)
	}
	cmd.Args = append(cmd.Args, config)
	return cmd
}

// overflowID stands for every id that a user namespace does not map.
const overflowID = 65534

// refused puts a clone that failed into words: with root it is an error like
// any other, without it the system does not let users have namespaces.
func refused(err error) error {
	if os.Geteuid() == 0 || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	return exit{exitNotPermitted, fmt.Sprintf(`this system does not let a user have a user namespace (%v)
  run the demo as root:            sudo bin/sallyport demo
  or allow it until the next boot: sudo sysctl -w kernel.unprivileged_userns_clone=1 (Debian)
                                   sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)
                                   sudo sysctl -w user.max_user_namespaces=1000`, err)}
}

// terminate asks for the ordered stop.
func (p *parent) terminate() { p.cmd.Process.Signal(unix.SIGTERM) }

// stop sees the supervisor end, by force if it must, and gives its exit code.
func (p *parent) stop() int {
	p.once.Do(func() {
		p.terminate()
		select {
		case <-p.done:
		case <-time.After(stopTime):
			p.cmd.Process.Kill()
			<-p.done
		}
	})
	return p.code()
}

func (p *parent) code() int { return p.cmd.ProcessState.ExitCode() }
