package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"sallyport/internal/bus"
	"sallyport/internal/config"
	"sallyport/internal/fault"
)

const (
	askTime = 5 * time.Second // for a program to say whether it can take over
	yes     = "it can take over\n"
	maxSays = 4096 // bytes of what it says
)

// ask lets a program, as a child, read an estate and say that it can take over.
func (s *supervisor) ask(program *os.File, e *estate) error {
	sealed, err := e.seal()
	if err != nil {
		return err
	}
	defer sealed.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	pid, err := s.askIn(program, sealed, w)
	w.Close()
	if err != nil {
		return err
	}
	_ = r.SetReadDeadline(time.Now().Add(askTime))
	said, readErr := io.ReadAll(io.LimitReader(r, maxSays))
	late := errors.Is(readErr, os.ErrDeadlineExceeded) || len(said) == maxSays
	if late {
		_ = unix.Kill(pid, unix.SIGKILL) // not reaped yet, so still its own
	}
	status, err := reap(pid)
	text := strings.TrimSpace(string(said))
	switch {
	case err != nil:
		return err
	case late:
		return fmt.Errorf("it did not say within %v whether it can take over: %.200q", askTime, text)
	case status.Exited() && status.ExitStatus() == 0 && string(said) == yes:
		return nil
	case text == "":
		text = exitWords(status)
	}
	return fmt.Errorf("it cannot take over: %s", printable([]byte(text)))
}

func reap(pid int) (status unix.WaitStatus, err error) {
	for {
		if _, err = unix.Wait4(pid, &status, 0, nil); err != unix.EINTR {
			return status, os.NewSyscallError("wait4", err)
		}
	}
}

// askIn starts the child, on the thread whose end ends it as well.
func (s *supervisor) askIn(program, sealed, out *os.File) (pid int, err error) {
	files := make([]uintptr, 0, 4)
	for _, f := range []*os.File{program, sealed, out} {
		n, err := numberOf(f)
		if err != nil {
			return 0, err
		}
		files = append(files, uintptr(n))
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	none, err := numberOf(null)
	if err != nil {
		return 0, err
	}
	args := append([]string{os.Args[0], "-" + canFlag + "=3"}, ownArgs()...)
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{uintptr(none), files[2], files[2], files[1], files[0]},
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}
	err = s.thread.Do(context.Background(), func() {
		pid, err = syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(4), args, attr)
	})
	if err != nil {
		return 0, fmt.Errorf("it does not start: %w", err)
	}
	return pid, nil
}

// answerWhetherItCan is such a child. A whole estate is only read; of an outline
// everything is tried that needs no descriptor of the supervisor.
func answerWhetherItCan(o options, number int) error {
	if fault.On("ask-hangs") {
		select {}
	}
	e, err := readEstate(number)
	if err != nil {
		return err
	}
	s, err := newSupervisor(o, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	st, err := s.check(e)
	if err != nil || e.Complete {
		return err
	}
	if st.bus, err = bus.Look(busConfig(st.cfg, s.ids(st.cfg), s.log), e.Lanes); err != nil {
		return err
	}
	stage, err := config.Binary(st.programs.Worker(), s.owners...)
	if err != nil {
		return err
	}
	defer stage.Close()
	for i := range st.cfg.Workers {
		w, err := newWorker(s, st, &st.cfg.Workers[i])
		if err != nil {
			return err
		}
		if err := w.exe.Close(); err != nil {
			return err
		}
	}
	return nil
}
