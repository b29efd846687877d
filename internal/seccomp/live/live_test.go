package live_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/seccomp"
)

// The runtime of this toolchain makes no call in a worker's life that the group
// does not have: computing, collecting, threads, poller, timers, idleness.
func TestGoRuntimeIsCovered(t *testing.T) {
	r := start(t, "sensor-read", "live", true, func(r *run, line string) {
		switch line {
		case "READY":
			go func() {
				buf := make([]byte, 16)
				n, _, _, _, err := unix.Recvmsg(int(r.channel.Fd()), buf, nil, 0)
				if err == nil && string(buf[:n]) == "ping" {
					_ = unix.Sendmsg(int(r.channel.Fd()), []byte("pong"), nil, nil, unix.MSG_NOSIGNAL)
				}
			}()
		case "IDLE":
			// A stop makes the kernel continue interrupted sleeps by
			// restart_syscall.
			for range 3 {
				_ = unix.Kill(r.pid, unix.SIGSTOP)
				_ = waitState(r.pid, "T")
				_ = unix.Kill(r.pid, unix.SIGCONT)
				time.Sleep(100 * time.Millisecond)
			}
			_ = unix.Kill(r.pid, unix.SIGTERM)
		}
	})
	report(t, r)
	if !strings.HasSuffix(strings.Join(r.lines, " "), "DONE") || r.status.ExitStatus() != 0 {
		t.Errorf("it ended with %v after %q", r.status, r.lines)
	}
	for _, b := range r.breaches() {
		t.Error("not covered: ", b)
	}
	for _, n := range r.notices {
		if n.phase == seccomp.Running {
			t.Error("a notice after the start: ", n.text)
		}
	}
}

func report(t *testing.T, r *run) {
	t.Helper()
	count := make(map[string]int)
	for _, n := range r.notices {
		name, _, _ := strings.Cut(n.text, "(")
		count[n.phase.String()+" "+name+" "+n.decision.Action.String()]++
	}
	t.Logf("%d notices: %v", len(r.notices), count)
}

// Sleeping, crashing and hanging programs end as they would without a filter.
func TestGoRuntimeEnds(t *testing.T) {
	for deed, want := range map[string]int{"sleep": 0, "panic": 2, "deadlock": 2} {
		r := start(t, "sensor-read", deed, true, nil)
		if got := r.status.ExitStatus(); got != want {
			t.Errorf("%s: exit status %d (%v), want %d: %q", deed, got, r.status, want, r.lines)
		}
		for _, b := range r.breaches() {
			t.Errorf("%s: not covered: %s", deed, b)
		}
	}
}

// What no role admits ends the program, and is named.
func TestMisdeeds(t *testing.T) {
	for _, tt := range []struct {
		deed, named string
		signal      syscall.Signal
	}{
		{"open", "openat(AT_FDCWD, 0x", syscall.SIGKILL},
		{"exec", "execve(0x", syscall.SIGKILL},
		{"socket", "socket(AF_INET", syscall.SIGKILL},
		{"fork", "", syscall.SIGKILL},
		{"kill", "kill(", syscall.SIGKILL},
		{"wx", "PROT_READ|PROT_WRITE|PROT_EXEC", syscall.SIGKILL},
		{"ptrace", "", syscall.SIGSYS},
		{"namespace", "", syscall.SIGSYS},
	} {
		r := start(t, "sensor-read", tt.deed, false, nil)
		if !r.status.Signaled() || r.status.Signal() != tt.signal {
			t.Errorf("%s: %v, want %v: %q", tt.deed, r.status, tt.signal, r.lines)
		}
		breaches := strings.Join(r.breaches(), "; ")
		t.Logf("%s: %s", tt.deed, breaches)
		if !strings.Contains(breaches, tt.named) || (breaches == "") != (tt.signal == syscall.SIGSYS) {
			t.Errorf("%s: breaches %q, want %q", tt.deed, breaches, tt.named)
		}
	}
	r := start(t, "sensor-read", "clone3", false, nil)
	if text := strings.Join(r.lines, " "); !strings.Contains(text, "function not implemented") || r.status.ExitStatus() != 0 {
		t.Errorf("clone3: %q, %v", text, r.status)
	}
}
