package main_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"sallyport/internal/testenv"
)

// screen collects what a program writes to its terminal.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) read(from io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		if err != nil {
			return // EIO: the program is gone
		}
	}
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// supervised runs a supervisor on the configuration of the script operate.txtar,
// or one like it, and gives its socket.
func supervised(t *testing.T) (socket string) {
	t.Helper()
	testenv.NeedRoot(t)
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(dir+"/data", 0o755)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/top.hcl")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "top.hcl")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("WORK"), []byte(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command(t), "run", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log screen
	cmd.Stderr = writer{&log}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		if err := cmd.Wait(); err != nil {
			t.Errorf("the supervisor: %v\n%s", err, log.String())
		}
	})
	return filepath.Join(dir, "op.sock")
}

type writer struct{ *screen }

func (w writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// TestTopOnTerminal looks at the live view as a person does, and ends it with q:
// every part is there, in the size of the terminal, and the terminal is left as
// it was.
func TestTopOnTerminal(t *testing.T) {
	socket := supervised(t)
	for _, c := range []struct {
		env    string
		colour bool
	}{{"TERM=xterm-256color", true}, {"NO_COLOR=1", false}} {
		cmd := exec.Command(command(t), "top", "--socket", socket)
		// Under CI=1 the terminal library takes no terminal for one.
		cmd.Env = append(os.Environ(), "CI=", "NO_COLOR=", "TERM=xterm-256color", c.env)
		terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 90})
		if err != nil {
			t.Fatal(err)
		}
		var seen screen
		done := make(chan struct{})
		go func() { defer close(done); seen.read(terminal) }()
		for end := time.Now().Add(untilTime); !all(seen.String(), "WORKERS", "reader", "ready", "LANES", "readings/routine/reader/store", "[-", "SENSORS", "sine", "▁", "EVENTS", "confined"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not everything is shown:\n%s", seen.String())
			}
		}
		if _, err := terminal.WriteString("q"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("top ended with %v", err)
		}
		terminal.Close()
		<-done
		text := seen.String()
		if entered, left := strings.Index(text, "\x1b[?1049h"), strings.LastIndex(text, "\x1b[?1049l"); entered < 0 || left < entered {
			t.Error("it did not leave the terminal's other screen")
		}
		if got := strings.Contains(text, "\x1b[32m"); got != c.colour {
			t.Errorf("%s: colours %v, want %v", c.env, got, c.colour)
		}
	}
}

func all(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// TestTopWithoutTerminal prints one picture, in plain text.
func TestTopWithoutTerminal(t *testing.T) {
	socket := supervised(t)
	for end := time.Now().Add(untilTime); ; time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command(command(t), "top", "--socket", socket).Output()
		if err == nil && all(string(out), "WORKERS", "ready", "EVENTS", "sine") && !bytes.ContainsRune(out, '\x1b') {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}
