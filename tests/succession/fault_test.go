//go:build fault

package succession_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/control"
)

// faulty is a folder with a supervisor that has failpoints, and the programs that
// belong to it.
func faulty(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-tags", "fault", "-o", filepath.Join(dir, "supervisor"), "sallyport/cmd/supervisor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	copyProgram(t, program(t, "worker"), filepath.Join(dir, "worker"))
	if err := os.Mkdir(filepath.Join(dir, "workers"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sampler", "store", "alarm"} {
		copyProgram(t, program(t, "workers/"+name), filepath.Join(dir, "workers", name))
	}
	return filepath.Join(dir, "supervisor")
}

// TestFailedSuccession: whatever goes wrong in the new program, before or after it
// is in the place of the old one, the old one goes on with the same workers, and
// nothing is lost.
func TestFailedSuccession(t *testing.T) {
	binary := faulty(t)
	t.Run("none", func(t *testing.T) { toAnother(t, binary) })
	for fault, says := range map[string]string{
		"other-estate":    "it reads version 2", // asked
		"ask-hangs":       "did not say within",
		"takeover-fails":  "a test wants it to fail", // executed, and came back
		"takeover-panics": "a test wants it",
		"takeover-hangs":  "did not come up within",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			r := upgrading(t, func(cmd *exec.Cmd) { cmd.Env = append(os.Environ(), "SALLYPORT_FAULT="+fault+"=on") })
			before, table := r.status(), r.quietTable()
			err := r.upgrade(binary)
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Fatalf("%v, want a word of %q", err, says)
			}
			after := r.status()
			for name, st := range before {
				if now := after[name]; now.PID != st.PID || now.State != "ready" {
					t.Errorf("%s is %+v, was %+v", name, now, st)
				}
			}
			exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", r.pid()))
			if err != nil || strings.TrimSuffix(exe, " (deleted)") != program(t, "supervisor") {
				t.Errorf("the program is %s, %v", exe, err)
			}
			if strings.HasPrefix(fault, "takeover") {
				for _, e := range r.events(t, "upgrade_failed", 1) {
					if failed, _ := e.(control.UpgradeFailed); !strings.Contains(failed.Why, says) {
						t.Errorf("event %+v", failed)
					}
				}
			}
			r.same(table)
			// It still can, with a program that does not fail.
			if err := r.upgrade(program(t, "supervisor")); err != nil {
				t.Error(err)
			}
			r.clean()
		})
	}
}

// toAnother: the new program is another file, beside programs of its own.
func toAnother(t *testing.T, binary string) {
	t.Parallel()
	r := upgrading(t, nil)
	before := r.status()
	if err := r.upgrade(binary); err != nil {
		t.Fatal(err)
	}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", r.pid())); err != nil || exe != binary {
		t.Errorf("the program is %s, %v", exe, err)
	}
	if after := r.status(); after["store"].PID != before["store"].PID {
		t.Errorf("the store is %+v, was %+v", after["store"], before["store"])
	}
	if _, err := r.client.Ask(t.Context(), "restart", map[string]string{"worker": "store"}); err != nil {
		t.Error(err)
	}
	want := filepath.Join(filepath.Dir(binary), "workers", "store")
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", r.status()["store"].PID)); err != nil || exe != want {
		t.Errorf("the store that was started since is %s, %v", exe, err)
	}
	r.clean()
}
