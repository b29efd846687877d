package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/testenv"
)

// nobody stands for a user without rights.
const nobody = 65534

// TestDemo runs the whole product once as root and once in a user namespace of
// a user without rights, side by side.
func TestDemo(t *testing.T) {
	testenv.NeedRoot(t)
	programs(t)
	t.Run("root", func(t *testing.T) { t.Parallel(); demo(t, nil) })
	t.Run("rootless", func(t *testing.T) {
		t.Parallel()
		demo(t, &syscall.Credential{Uid: nobody, Gid: nobody})
	})
}

func demo(t *testing.T, who *syscall.Credential) {
	home, err := os.MkdirTemp("", "sallyport-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	cmd := exec.Command(command(t), "demo", "--json", "--for", "8s")
	cmd.Env = append(os.Environ(), "TMPDIR="+home, "SUDO_UID=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if who != nil {
		if err := os.Chown(home, int(who.Uid), int(who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err = cmd.Run()
	if strings.Contains(log.String(), "does not let a user have a user namespace") {
		t.Skipf("needs user namespaces: %s", log.String())
	}
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, log.String(), out.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var last struct {
		Event        string `json:"event"`
		Readings     *int   `json:"readings"`
		Alerts       *int   `json:"alerts"`
		Lost         *int   `json:"lost"`
		Blocked      *int   `json:"blocked"`
		Regranted    *int   `json:"regranted"`
		LeakedFDs    *int   `json:"leaked_fds"`
		LeakedQueues *int   `json:"leaked_queues"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Event != "summary" {
		t.Fatalf("the last line is no summary: %v: %s", err, lines[len(lines)-1])
	}
	for name, figure := range map[string]*int{"lost": last.Lost, "leaked_fds": last.LeakedFDs, "leaked_queues": last.LeakedQueues} {
		if figure == nil || *figure != 0 {
			t.Errorf("%s is not 0: %s", name, lines[len(lines)-1])
		}
	}
	for name, figure := range map[string]*int{"readings": last.Readings, "alerts": last.Alerts, "blocked": last.Blocked, "regranted": last.Regranted} {
		if figure == nil || *figure < 1 {
			t.Errorf("%s is not above 0: %s", name, lines[len(lines)-1])
		}
	}
	left, err := filepath.Glob(home + "/*/*")
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "data" {
		t.Errorf("left behind: %v (%v), want the data folder alone", left, err)
	}
	if t.Failed() {
		t.Logf("log:\n%s\nevents:\n%s", log.String(), out.String())
	}
}
