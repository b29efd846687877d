package testenv

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// Descriptors lists the descriptor table of this process as the kernel shows
// it: "number link" for every entry of /proc/self/fd but the one used to read
// it, in order of numbers.
func Descriptors() ([]string, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var table []string
	for _, e := range entries {
		link, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // the directory's own descriptor, closed by now
		}
		table = append(table, fmt.Sprintf("%s %s", e.Name(), link))
	}
	return table, nil
}

// settling is how long a goroutine or a process of an earlier test may take to
// close what is its own.
const settling = 50 * time.Millisecond

// settled reads the table until it says the same twice, a moment apart.
func settled() ([]string, error) {
	last, err := Descriptors()
	for end := time.Now().Add(settling); err == nil && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		before := last
		if last, err = Descriptors(); slices.Equal(before, last) {
			break
		}
	}
	return last, err
}

// CheckFDs compares the descriptor table at the end of the test with the one
// now and reports every difference. Warm up first what opens descriptors
// lazily and keeps them (os/exec, the poller).
func CheckFDs(t testing.TB) {
	t.Helper()
	before, err := settled()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		after, err := settled()
		if err != nil {
			t.Error(err)
		}
		for _, d := range after {
			if !slices.Contains(before, d) {
				t.Errorf("descriptor left open: %s", d)
			}
		}
		for _, d := range before {
			if !slices.Contains(after, d) {
				t.Errorf("descriptor closed that was not ours: %s", d)
			}
		}
	})
}
