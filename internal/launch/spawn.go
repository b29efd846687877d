package launch

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch/stage"
)

// namespaces of every worker. Not the pid namespace: a worker as its first
// process would ignore SIGTERM. Not the IPC namespace: the lanes live there.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWCGROUP

// stageEnv keeps the stage's runtime quiet: nothing may start between the
// filter and the exec. A preemption signal would even interrupt the exec while
// its notice waits.
var stageEnv = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1"}

type spawnRequest struct {
	spec        *Spec
	stage, null *os.File
}

// spawned is a stage that runs. The descriptors belong to the receiver.
type spawned struct {
	pid    int
	pidfd  int
	report int // read end of the report pipe, nonblocking
	err    error
}

// run clones the stage. Every descriptor is made here, on the one thread that
// clones: so no other child can hold the report pipe open, and its end tells
// exactly that the stage's image is gone.
func (r *spawnRequest) run() spawned {
	child, err := r.clone()
	if err != nil {
		return spawned{err: err}
	}
	return child
}

func (r *spawnRequest) clone() (child spawned, err error) {
	order, err := r.order()
	if err != nil {
		return spawned{}, fmt.Errorf("order for the stage: %w", err)
	}
	defer unix.Close(order)
	var report [2]int
	if err := unix.Pipe2(report[:], unix.O_CLOEXEC); err != nil {
		return spawned{}, os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(report[1])
	defer func() {
		if err != nil {
			unix.Close(report[0])
		}
	}()
	own := []*os.File{r.null, orNull(r.spec.Stdout, r.null), orNull(r.spec.Stderr, r.null), r.spec.Channel, r.spec.Exe, r.stage}
	if r.spec.Program != nil {
		own = append(own, r.spec.Program)
	}
	files, release, err := borrow(own...)
	if err != nil {
		return spawned{}, err
	}
	defer release()
	files = slices.Insert(files, stage.OrderFD, uintptr(order), uintptr(report[1])) // before the program, which not everyone has
	pidfd := -1
	attr, releaseAttr, err := r.attributes(&pidfd)
	if err != nil {
		return spawned{}, err
	}
	defer releaseAttr()
	pid, err := syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(stage.SelfFD), []string{"worker", "stage"},
		&syscall.ProcAttr{Env: stageEnv, Files: files, Sys: attr})
	if err == nil && pidfd < 0 {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		err = errors.New("this kernel gives no pidfd")
	}
	if err != nil {
		return spawned{}, fmt.Errorf("clone of the stage into its namespaces: %w", err)
	}
	_ = unix.SetNonblock(report[0], true)
	return spawned{pid: pid, pidfd: pidfd, report: report[0]}, nil
}

// attributes of the clone: its namespaces, and its cgroup, in which it is from
// its first instruction on.
func (r *spawnRequest) attributes(pidfd *int) (attr *syscall.SysProcAttr, release func(), err error) {
	attr = &syscall.SysProcAttr{
		Cloneflags: namespaces,
		Pdeathsig:  syscall.SIGKILL, // until the stage sets its own
		PidFD:      pidfd,
	}
	if r.spec.Cgroup == nil {
		return attr, func() {}, nil
	}
	group, release, err := borrow(r.spec.Cgroup)
	if err == nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(group[0])
	}
	return attr, release, err
}

// order puts the stage's order into a memory file, positioned anywhere.
func (r *spawnRequest) order() (int, error) {
	text, err := r.spec.order().Encode()
	if err != nil {
		return -1, err
	}
	fd, err := unix.MemfdCreate("order", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	for n := 0; n < len(text); {
		m, err := unix.Pwrite(fd, text[n:], int64(n))
		if err != nil && err != unix.EINTR {
			unix.Close(fd)
			return -1, os.NewSyscallError("pwrite", err)
		}
		n += max(m, 0)
	}
	return fd, nil
}

func orNull(f, null *os.File) *os.File {
	if f == nil {
		return null
	}
	return f
}

// borrow duplicates the descriptors of files, so that they stay what they are
// for the time of a clone whatever their owners do.
func borrow(files ...*os.File) (fds []uintptr, release func(), err error) {
	release = func() {
		for _, fd := range fds {
			unix.Close(int(fd))
		}
	}
	for _, f := range files {
		conn, err := f.SyscallConn()
		if err != nil {
			release()
			return nil, nil, err
		}
		fd, dupErr := -1, error(nil)
		if err = conn.Control(func(n uintptr) { fd, dupErr = unix.FcntlInt(n, unix.F_DUPFD_CLOEXEC, 0) }); err == nil {
			err = os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", dupErr)
		}
		if err != nil {
			release()
			return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		fds = append(fds, uintptr(fd))
	}
	return fds, release, nil
}
