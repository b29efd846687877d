package programs_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// small compiles testdata/small.c, static: it needs no read_only.
func small(t *testing.T) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("needs cc, a C compiler")
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "small")
	if text, err := exec.Command(cc, "-static", "-O2", "-Wall", "-Werror", "-o", out, "testdata/small.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return out
}

// echo asks for the pid that serves.
func (r *running) echo(what byte) (pid int, err error) {
	answer, err := r.ask([]byte{what}, len("1 a\n"))
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscanf(string(answer), "%d", &pid)
	return pid, err
}

// TestShortReceiptServes: protocol 1, ready when its receipt is in.
func TestShortReceiptServes(t *testing.T) {
	r := start(t, fmt.Sprintf("  command  = [%q, \"short\"]\n  protocol = 1\n", small(t)))
	st := r.until("ready", ready)
	if st.ProofLevel != 3 || len(st.Grants) != 1 {
		t.Errorf("%+v", st)
	}
	if _, err := r.echo('a'); err != nil {
		t.Error(err)
	}
}

// TestNotify: ready at READY=1, what STATUS says is shown, and a program that
// stops saying WATCHDOG=1 is ended and replaced.
func TestNotify(t *testing.T) {
	r := start(t, fmt.Sprintf("  command   = [%q, \"notify\"]\n  protocol  = 0\n  notify    = true\n  heartbeat = \"1s\"\n", small(t)))
	st := r.until("ready", func(st status) bool { return ready(st) && st.Says == "serving" })
	// The standard ones and the listener: neither the channel, nor its own file,
	// nor the far end of the socket it notifies.
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", st.PID))
	for _, fd := range fds {
		if len(fd.Name()) > 1 || fd.Name() > "3" && fd.Name() != "4" { // 4: the moment of a notification
			t.Errorf("descriptor %s", fd.Name())
		}
	}
	if err != nil || len(fds) < 4 {
		t.Errorf("descriptors %v, %v", fds, err)
	}
	time.Sleep(2500 * time.Millisecond) // more than two heartbeats
	if now := r.status(); now.PID != st.PID || now.State != "ready" {
		t.Fatalf("it beat in time and was ended: %+v", now)
	}
	if _, err := r.echo('h'); err != nil {
		t.Fatal(err)
	}
	next := r.until("a successor", func(now status) bool { return ready(now) && now.Epoch == st.Epoch+1 })
	if next.PID == st.PID {
		t.Errorf("%+v", next)
	}
	if !strings.Contains(r.log.String(), "no sign of life for 1s") {
		t.Error("the reason is not said")
	}
}

// TestOnConnect: nobody is there until somebody connects, and again after the
// program left by itself; one that an operator stopped stays so.
func TestOnConnect(t *testing.T) {
	r := start(t, fmt.Sprintf("  command  = [%q, \"notify\"]\n  protocol = 0\n  notify   = true\n  start    = \"on-connect\"\n", small(t)),
		`"always"`, `"on-failure"`)
	if st := r.until("an answer", func(st status) bool { return st.State != "" }); st.State != "declared" || st.PID != 0 {
		t.Fatalf("before anybody connected: %+v", st)
	}
	for life := 1; life <= 2; life++ {
		if _, err := r.echo('a'); err != nil {
			t.Fatal(err)
		}
		if st := r.until("ready", ready); st.Epoch != life {
			t.Errorf("life %d: %+v", life, st)
		}
		if _, err := r.echo('q'); err == nil {
			t.Error("it was answered after its end")
		}
		r.until("its end", func(st status) bool { return st.State == "stopped" && st.LastExit == "exit 0" })
	}
	if text, err := exec.Command("../../bin/sallyport", "stop", "it", "--socket", filepath.Join(r.dir, "control")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	conn, err := net.Dial("unix", r.request)
	if err != nil {
		t.Fatal(err)
	}
	if st := r.status(); st.Epoch != 2 {
		t.Errorf("a connection started what an operator had stopped: %+v", st)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("../../bin/sallyport", "start", "it", "--socket", filepath.Join(r.dir, "control")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if _, err := r.echo('a'); err != nil {
		t.Error(err)
	}
}

// TestNotifyNeverReady: executing the program is not enough with notify.
func TestNotifyNeverReady(t *testing.T) {
	r := start(t, fmt.Sprintf("  command      = [%q, \"late\"]\n  protocol     = 0\n  notify       = true\n  ready_within = \"2s\"\n", small(t)))
	r.until("a second attempt", func(st status) bool { return st.Epoch >= 2 })
	if log := r.log.String(); !strings.Contains(log, "not ready within 2s (it was granting)") || strings.Contains(log, "ready: pid") {
		t.Error("the reason is not said, or it was ready")
	}
}

// TestBreakOutIsNamed: the second exec is the last, also while the start lasts,
// and files are out of reach once start_grace is over.
func TestBreakOutIsNamed(t *testing.T) {
	program := small(t)
	for does, row := range map[string]struct{ call, grace string }{"exec": {"execveat", "30s"}, "open": {"openat", "50ms"}} {
		t.Run(does, func(t *testing.T) {
			r := start(t, fmt.Sprintf("  command     = [%q, %q]\n  protocol    = 0\n  start_grace = %q\n", program, does, row.grace))
			st := r.until("ready", ready)
			if _, err := r.echo('a'); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // the shorter start_grace
			if _, err := r.echo('x'); err == nil {
				t.Error("it was answered after the call")
			}
			r.until("a successor", func(now status) bool { return now.Epoch > st.Epoch })
			if !strings.Contains(r.log.String(), "made a call outside profile c-basic: "+row.call) {
				t.Error("the call is not named")
			}
		})
	}
}
