package attest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
)

// below is a directory that stands for /proc/PID.
func below(t *testing.T) (dir string, threads func(attest.Expect) (int, error), root func() error) {
	t.Helper()
	dir = t.TempDir()
	threads, root, err := attest.Below(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, threads, root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A thread that appears while the others are looked at is looked at too.
func TestProveThreadBornMeanwhile(t *testing.T) {
	dir, threads, _ := below(t)
	first := filepath.Join(dir, "task/1/status")
	write(t, first, "")
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(first, 0o600); err != nil { // its reader waits
		t.Fatal(err)
	}
	born := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(first, os.O_WRONLY, 0)
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, "task/2"), 0o755)
		}
		if err == nil {
			bad := strings.Replace(goodStatus, "Seccomp:\t2", "Seccomp:\t0", 1)
			err = os.WriteFile(filepath.Join(dir, "task/2/status"), []byte(bad), 0o644)
		}
		if err == nil {
			err = os.Rename(filepath.Join(dir, "task/1"), filepath.Join(dir, "one"))
		}
		if err == nil {
			_, err = f.WriteString(goodStatus)
		}
		f.Close()
		born <- err
	}()
	_, err := threads(attest.Expect{UID: 7, GID: 8, Filters: 1})
	if err == nil || !strings.Contains(err.Error(), "thread 2: Seccomp is") {
		t.Errorf("an unconfined thread born meanwhile: %v", err)
	}
	if err := <-born; err != nil {
		t.Fatal(err)
	}
}

func TestRootThatIsNotEmptyOrCanBeWritten(t *testing.T) {
	dir, _, root := below(t)
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := root(); err == nil || !strings.Contains(err.Error(), "can be written") {
		t.Errorf("writable: %v", err)
	}
	write(t, filepath.Join(dir, "root/shadow"), "")
	if err := root(); err == nil || !strings.Contains(err.Error(), `"shadow"`) {
		t.Errorf("not empty: %v", err)
	}
}
