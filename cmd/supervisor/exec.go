package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Flags that a supervisor gives the program in its place.
const (
	takeOverFlag = "take-over"     // ESTATE,BEFORE: numbers of the estate and of the program to go back to, -1 without
	cameBackFlag = "came-back"     // why the program in between gave up
	canFlag      = "can-take-over" // ESTATE: say whether it could be taken over
)

// execution replaces this program. It must run on the thread that made the
// clones: the exec of any other is their death signal.
type execution struct {
	program, estate, before *os.File // before is nil when there is nothing to go back to
	keep                    []int
	err                     error
}

// held are the signals that wait during an exec: by default they would end a
// program that has not asked for them yet.
var held = []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP}

// run returns only an error, and then has changed nothing.
func (e *execution) run(cameBack string) error {
	program, err := numberOf(e.program)
	if err != nil {
		return err
	}
	estate, err := numberOf(e.estate)
	if err != nil {
		return err
	}
	before, keep := -1, append(slices.Clone(e.keep), estate)
	if e.before != nil {
		if before, err = numberOf(e.before); err != nil {
			return err
		}
		keep = append(keep, before)
	}
	args := []string{os.Args[0], fmt.Sprintf("-%s=%d,%d", takeOverFlag, estate, before)}
	if cameBack != "" {
		args = append(args, "-"+cameBackFlag+"="+cameBack)
	}
	args = append(args, ownArgs()...)
	if err := holdSignals(unix.SIG_BLOCK); err != nil {
		return err
	}
	err = closeOnExec(keep, false)
	if err == nil {
		err = os.NewSyscallError("execve", unix.Exec("/proc/self/fd/"+strconv.Itoa(program), args, os.Environ()))
	}
	return errors.Join(err, closeOnExec(keep, true), holdSignals(unix.SIG_UNBLOCK))
}

// ownArgs are the arguments of this program without those of a succession.
func ownArgs() []string {
	return slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool {
		return strings.HasPrefix(arg, "-"+takeOverFlag+"=") || strings.HasPrefix(arg, "-"+cameBackFlag+"=") || strings.HasPrefix(arg, "-"+canFlag+"=")
	})
}

func closeOnExec(numbers []int, on bool) error {
	flag := 0
	if on {
		flag = unix.FD_CLOEXEC
	}
	var errs []error
	for _, n := range numbers {
		if _, err := unix.FcntlInt(uintptr(n), unix.F_SETFD, flag); err != nil {
			errs = append(errs, fmt.Errorf("descriptor %d: %w", n, os.NewSyscallError("fcntl(F_SETFD)", err)))
		}
	}
	return errors.Join(errs...)
}

// holdSignals changes the mask of the calling thread, which an exec keeps and the
// threads of the new program begin with; the runtime unblocks what is asked for.
func holdSignals(how int) error {
	var set unix.Sigset_t
	bits := 1024 / len(set.Val) // of a word: 64, or 32
	for _, sig := range held {
		set.Val[(int(sig)-1)/bits] |= 1 << ((int(sig) - 1) % bits)
	}
	return os.NewSyscallError("sigprocmask", unix.PthreadSigmask(how, &set, nil))
}
