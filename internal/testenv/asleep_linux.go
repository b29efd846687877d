package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// AsleepInQueue waits until count threads of a process sleep in msgsnd(2) or
// msgrcv(2), and fails the test when that takes more than 10 s. One that was
// woken and has not run yet is not asleep.
func AsleepInQueue(t testing.TB, pid, count int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if sleepers(pid) == count {
			return
		}
	}
	t.Fatalf("process %d: %d threads wait in a queue call, want %d", pid, sleepers(pid), count)
}

func sleepers(pid int) (n int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended
		}
		nr, _, _ := strings.Cut(string(text), " ")
		if nr == fmt.Sprint(unix.SYS_MSGSND) || nr == fmt.Sprint(unix.SYS_MSGRCV) {
			n++
		}
	}
	return n
}
