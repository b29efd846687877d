package launch_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
)

// kill -9 of the supervisor at any moment of a launch: within 2 s nothing of
// it lives and nothing is mounted.
func TestParentKilledEndsWorkers(t *testing.T) {
	testenv.NeedRoot(t)
	for i := range 10 {
		pidfds := killParent(t, time.Duration(i)*3*time.Millisecond)
		deadline := time.Now().Add(2 * time.Second)
		for _, fd := range pidfds {
			set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			left := int(time.Until(deadline).Milliseconds())
			if n, err := unix.Poll(set, max(left, 0)); n != 1 || err != nil {
				t.Errorf("a worker outlives its supervisor (poll: %d, %v)", n, err)
			}
			unix.Close(fd)
		}
		for left := running(t); len(left) > 0; left = running(t) {
			if time.Now().After(deadline) {
				t.Fatalf("processes outlive their supervisor: %v", left)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	if mounts := read(t, "/proc/self/mountinfo"); strings.Contains(mounts, " - tmpfs sallyport ") {
		t.Errorf("a worker's root is mounted here:\n%s", mounts)
	}
}

// killParent runs a supervisor, kills it some time after its first workers are
// up, and returns a pidfd of each of those.
func killParent(t *testing.T, after time.Duration) (pidfds []int) {
	t.Helper()
	cmd, release, err := role("parent", nil)
	must(t, err)
	defer release()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "go" {
		pid, err := strconv.Atoi(lines.Text())
		must(t, err)
		fd, err := unix.PidfdOpen(pid, 0)
		must(t, err)
		pidfds = append(pidfds, fd)
	}
	time.Sleep(after)
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	if len(pidfds) != 3 {
		t.Fatalf("the supervisor started %d workers, want 3", len(pidfds))
	}
	return pidfds
}

// running lists the processes that execute a binary of this test.
func running(t *testing.T) (left []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	must(t, err)
	for _, exe := range all {
		if link, err := os.Readlink(exe); err == nil && strings.HasPrefix(link, built.Dir+"/") {
			left = append(left, filepath.Dir(exe)+" "+link)
		}
	}
	return left
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}
