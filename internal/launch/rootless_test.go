package launch_test

import (
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/testenv"
)

// A supervisor in a user namespace with a single mapped id launches and proves
// a worker of that id, whether the id is root outside or nobody.
func TestStartSharedID(t *testing.T) {
	testenv.NeedRoot(t)
	for name, id := range map[string]int{"root": 0, "nobody": 65534} {
		t.Run(name, func(t *testing.T) {
			one := []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
			cmd, release, err := role("shared", &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWIPC,
				UidMappings: one, GidMappings: one,
				Credential: &syscall.Credential{NoSetGroups: true},
			})
			must(t, err)
			defer release()
			out, err := cmd.Output()
			if cmd.Process == nil {
				testenv.Need(t, "user namespaces", err)
			}
			if err != nil || !strings.Contains(string(out), "proved: level 3") {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}
