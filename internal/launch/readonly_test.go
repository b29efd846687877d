package launch_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

// TestReadOnlyEntries: a root that shows a directory, a file, and what symbolic
// links on the way lead to; read-only, also to root, and nothing beside it.
func TestReadOnlyEntries(t *testing.T) {
	testenv.NeedRoot(t)
	// Not t.TempDir, whose parts depend on the machine; /usr is there everywhere.
	dir, err := os.MkdirTemp("/usr/lib", "sallyport-test-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{"shown/inner", "target", "beside"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	for _, f := range []string{"shown/inner/a", "target/b", "beside/c", "alone"} {
		must(t, os.WriteFile(filepath.Join(dir, f), []byte(f), 0o644))
	}
	must(t, os.Symlink("target", filepath.Join(dir, "relative")))
	must(t, os.Symlink(dir+"/relative", filepath.Join(dir, "absolute")))
	paths := []string{dir + "/shown", dir + "/shown/inner", dir + "/absolute/b", dir + "/alone"}
	v := start(t, newLauncher(t), launch.Spec{ReadOnly: paths})
	must(t, v.Expect("up"))
	root := fmt.Sprintf("/proc/%d/root", v.PID())
	for _, f := range []string{"/shown/inner/a", "/relative/b", "/alone"} {
		text, err := os.ReadFile(root + dir + f)
		if err != nil || !strings.HasSuffix(dir+f, "/"+filepath.Base(string(text))) {
			t.Errorf("%s: %q, %v", f, text, err)
		}
		if err := os.WriteFile(root+dir+f, nil, 0o644); !isErrno(err, unix.EROFS) {
			t.Errorf("write to %s: %v, want EROFS", f, err)
		}
	}
	if to, err := os.Readlink(root + dir + "/absolute"); err != nil || to != dir+"/relative" {
		t.Errorf("the absolute link leads to %q, %v", to, err)
	}
	if _, err := os.Stat(root + dir + "/beside"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was not named: %v", err)
	}
	if err := os.Mkdir(root+"/new", 0o755); !isErrno(err, unix.EROFS) {
		t.Errorf("a directory in the root: %v, want EROFS", err)
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", v.PID()))
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if point := fields[4]; point != "/" && (!strings.Contains(fields[5], "nosuid") || !strings.Contains(fields[5], "nodev") || !strings.HasPrefix(fields[5], "ro,")) {
			t.Errorf("%s is mounted %s", point, fields[5])
		}
	}
}

// TestReadOnlyMissing: an entry that is not there is said by name.
func TestReadOnlyMissing(t *testing.T) {
	testenv.NeedRoot(t)
	_, err := launchtest.Start(newLauncher(t), built, launch.Spec{ReadOnly: []string{"/no/such/entry"}})
	if err == nil || !strings.Contains(err.Error(), "step root: read_only /no/such/entry: lstat") {
		t.Error(err)
	}
}
