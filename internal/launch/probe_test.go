package launch_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

// denyVariable is the call that a kernel should seem not to have: "nr errno".
const denyVariable = "SALLYPORT_LAUNCH_DENY"

// roleProbe loads a filter that denies one call and executes itself, then says
// what Probe says.
func roleProbe() error {
	deny := os.Getenv(denyVariable)
	if deny == "" {
		fmt.Println(launch.Probe())
		return nil
	}
	var nr, errno uint32
	if _, err := fmt.Sscan(deny, &nr, &errno); err != nil {
		return err
	}
	filter := launchtest.Assemble(
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: nr, SkipFalse: 1},
		bpf.RetConstant{Val: 0x00050000 | errno},
		bpf.RetConstant{Val: 0x7fff0000},
	)
	return launchtest.ExecUnder(filter, []string{roleVariable + "=probe"})
}

func TestProbeSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		nr    int
		errno unix.Errno
		want  string
	}{
		{unix.SYS_SECCOMP, unix.ENOSYS, "no seccomp filters"},
		{unix.SYS_SECCOMP, unix.EINVAL, "no seccomp filters"},
		{unix.SYS_SECCOMP, unix.EOPNOTSUPP, "without user notification"},
		{unix.SYS_PIDFD_GETFD, unix.ENOSYS, "no pidfd_getfd"},
		{unix.SYS_CLOSE_RANGE, unix.EINVAL, "no close_range with CLOSE_RANGE_CLOEXEC"},
		{unix.SYS_GETPPID, unix.EPERM, "<nil>"},
	} {
		cmd := command("probe")
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d %d", denyVariable, c.nr, uint32(c.errno)))
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("without call %d (%v): %v, says %q, want %q", c.nr, c.errno, err, out, c.want)
		}
		t.Logf("%s", out)
	}
}

// roleChroot says what Probe says in a directory that is no mount point.
func roleChroot() error {
	if err := errors.Join(unix.Chroot("/usr"), unix.Chdir("/")); err != nil {
		return err
	}
	fmt.Println(launch.Probe())
	return nil
}

// A plain chroot is said at the start, not worker by worker.
func TestProbeInChroot(t *testing.T) {
	testenv.NeedRoot(t)
	out, err := command("chroot").Output()
	if err != nil || !strings.Contains(string(out), "no mount point, as in a plain chroot") {
		t.Errorf("%v: %q", err, out)
	}
}
