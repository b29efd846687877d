package launch_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/sys"
)

// roleVariable makes this test binary play a supervisor instead of testing.
const roleVariable = "SALLYPORT_LAUNCH_ROLE"

var roles = map[string]func() error{"parent": roleParent, "shared": roleShared, "probe": roleProbe,
	"mounts": roleMounts, "limit": roleLimit, "chroot": roleChroot}

func command(name string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{roleVariable + "=" + name}
	cmd.Stderr = os.Stderr
	return cmd
}

// role is a supervisor of this binary with two more descriptors: 3, the stage,
// and 4, the victim. The caller sets Stdout and starts it.
func role(name string, attr *syscall.SysProcAttr) (cmd *exec.Cmd, release func(), err error) {
	stage, err := os.Open(built.Stage)
	if err != nil {
		return nil, nil, err
	}
	victim, err := os.Open(built.Victim)
	if err != nil {
		stage.Close()
		return nil, nil, err
	}
	cmd = command(name)
	cmd.ExtraFiles = []*os.File{stage, victim}
	cmd.SysProcAttr = attr
	return cmd, func() { stage.Close(); victim.Close() }, nil
}

func roleFiles() (stage, victim *os.File) {
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	return os.NewFile(3, "stage"), os.NewFile(4, "victim")
}

// roleParent starts three workers, one of them with a call that waits for
// ever, says their pids, and goes on starting more until it is killed.
func roleParent() error {
	stage, victim := roleFiles()
	l, err := launch.New(stage)
	if err != nil {
		return err
	}
	stuck := launch.Spec{Decide: func(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
		if nr == unix.SYS_GETPPID {
			select {}
		}
		return launchtest.Decide(phase, nr, args)
	}}
	for i := range 3 {
		spec := launch.Spec{Name: fmt.Sprint("worker ", i)}
		if i == 0 {
			spec = stuck
		}
		v, err := launchtest.StartFile(l, victim, spec)
		if err == nil {
			err = v.Expect("up")
		}
		if err == nil && i == 0 {
			err = v.Tell("getppid")
		}
		if err != nil {
			return err
		}
		fmt.Println(v.PID())
	}
	fmt.Println("go")
	for {
		v, err := launchtest.StartFile(l, victim, launch.Spec{Name: "more"})
		if err != nil {
			return err
		}
		if err := v.End(); err != nil {
			return err
		}
	}
}

// roleShared is a supervisor in a user namespace with one mapped id.
func roleShared() error {
	stage, victim := roleFiles()
	l, err := launch.New(stage)
	if err != nil {
		return err
	}
	defer l.Close()
	v, err := launchtest.StartFile(l, victim, launch.Spec{SharedID: true, Tasks: 1, OpenFiles: 16})
	if err != nil {
		return err
	}
	defer v.End()
	if err := v.Expect("up"); err != nil {
		return err
	}
	own, err := attest.OwnFilters()
	if err != nil {
		return err
	}
	proof, err := attest.Prove(v.Process, attest.Expect{UID: 0, GID: 0, SharedID: true, Filters: own + 1, Exe: victim}, 3)
	if err != nil {
		return err
	}
	fmt.Println("proved:", proof)
	v.SetPhase(launch.Running)
	if err := v.Tell("execve"); err != nil {
		return err
	}
	exit, err := v.Gone()
	if err != nil {
		return err
	}
	if exit.Breach == nil || exit.Breach.Nr != unix.SYS_EXECVE {
		return fmt.Errorf("execve in a user namespace: %+v", exit)
	}
	return nil
}

// roleMounts is a supervisor whose mounts propagate, as systemd's do.
func roleMounts() error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return err
	}
	if err := launchOne(); err != nil {
		return err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err == nil && strings.Contains(string(mounts), "sallyport") {
		err = fmt.Errorf("a worker's root came out to its supervisor:\n%s", mounts)
	}
	return err
}

// roleLimit is a supervisor with a low limit of open files.
func roleLimit() error {
	if err := sys.LaunchLimit(unix.RLIMIT_NOFILE, 512, 512); err != nil {
		return err
	}
	err := launchOne()
	if err != nil && strings.Contains(err.Error(), "hard limit of open files must be at least 1001") {
		return nil // a root that may not raise limits
	}
	return err
}

func launchOne() error {
	stage, victim := roleFiles()
	l, err := launch.New(stage)
	if err != nil {
		return err
	}
	defer l.Close()
	v, err := launchtest.StartFile(l, victim, launch.Spec{})
	if err != nil {
		return err
	}
	defer v.End()
	return v.Expect("up")
}
