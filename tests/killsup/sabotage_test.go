//go:build fault

package killsup_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/sysvctl"
	"sallyport/tests/killsup"
)

// sabotages are what a lane does wrong on purpose, before every look at a state
// that would be good.
func sabotages() map[string]func(killsup.Life) error {
	return map[string]func(killsup.Life) error{
		"process": func(killsup.Life) error {
			_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "100"}, nil)
			return err
		},
		"queue": func(killsup.Life) error {
			_, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{Mode: 0o600})
			return err
		},
		"mount": func(l killsup.Life) error {
			return unix.Mount("tmpfs", filepath.Join(l.Dir, "orders"), "tmpfs", 0, "")
		},
		"socket": func(l killsup.Life) error {
			_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			return err
		},
		"line": func(l killsup.Life) error {
			names, err := filepath.Glob(filepath.Join(l.Dir, "data", "*.csv"))
			for _, n := range names {
				f, e := os.OpenFile(n, os.O_WRONLY|os.O_APPEND, 0)
				if e != nil {
					return e
				}
				if _, err = f.WriteString("2026-03-29T01:59:59.987Z,load\n"); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
			}
			return err
		},
	}
}

// TestFindings: whatever is wrong is found, as what it is. leak-fd is the ledger's
// own switch: it closes nothing.
func TestFindings(t *testing.T) {
	dir := programs(t)
	for sabotage, want := range map[string]string{
		"process": "has no place here", "queue": "queues outside", "mount": "mounts were", "socket": "unix sockets are",
		"line": `line "2026-03-29T01:59:59.987Z,load"`, "leak-fd": "the supervisor's descriptors are",
	} {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			c := killsup.Lanes{Programs: dir, Dir: open(t), Lanes: 1, First: idsOf[sabotage], Seed: 1, From: 1, Supervisors: 1, Cycles: 1,
				Patience: 30 * time.Second, Late: time.Second, Limit: 1, Sabotage: sabotage, Stderr: os.Stderr}
			tally, _, err := c.Play()
			if err != nil {
				t.Fatal(err)
			}
			if len(tally.Findings) != 1 || !strings.Contains(tally.Findings[0], want) {
				t.Errorf("found %q, want %q", tally.Findings, want)
			}
		})
	}
}

// idsOf keeps lanes that run side by side from sharing users.
var idsOf = map[string]int{"process": 2, "queue": 3, "mount": 4, "socket": 5, "line": 6, "leak-fd": 7}

// open is a directory that workers' files can be in.
func open(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
