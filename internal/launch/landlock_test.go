package launch_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/landlock"
	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

// Under a filter that admits openat Landlock is the wall that stands: the root
// cannot be opened, what it shows on purpose can. Without Landlock it is another
// test of the same launch.
func TestStartLandlock(t *testing.T) {
	testenv.NeedRoot(t)
	have, err := landlock.ABI()
	if err != nil {
		t.Logf("only without Landlock: %v", err)
	}
	l := newLauncher(t)
	for abi := 0; abi <= have; abi++ {
		v := start(t, l, launch.Spec{Landlock: abi, ReadOnly: []string{"/usr"}, Filter: launchtest.Filter(unix.SYS_OPENAT)})
		must(t, v.Expect("up"))
		want := unix.Errno(0)
		if abi > 0 {
			want = unix.EACCES
		}
		must(t, v.Tell("open-root"))
		must(t, v.Expect(fmt.Sprintf("open-root=%d", int(want))))
		must(t, v.Tell("open-usr"))
		must(t, v.Expect("open-usr=0"))
	}
}

// A version that the kernel does not have is no launch, not a launch without.
func TestStartLandlockMissing(t *testing.T) {
	testenv.NeedRoot(t)
	if _, err := launchtest.Start(newLauncher(t), built, launch.Spec{Landlock: -1}); err == nil {
		t.Error("started")
	} else {
		t.Log(err)
	}
}
