package programs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gateway builds testdata/gateway into a folder that workers can be started from.
func gateway(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "gateway")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", out, "./testdata/gateway")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

const networkConfiguration = `
supervisor {
  ids     = "22000-22099"
  waive   = ["landlock", "cgroup-memory"]
  control = "%[1]s/control"
}
socket "%[2]s" { %[3]s = "%[4]s" }
worker "it" {
  command = ["%[5]s", "%[6]s"]
  sockets = ["%[2]s"]
  policy  = "%[7]s"
  limits { memory = "160MiB" } # net/http brings cryptography along, and that 32 MiB of zeros
}
`

// TestHTTPServe: net/http serves on a granted listener, whatever it looks for on
// the way; a connection of its own is a breach.
func TestHTTPServe(t *testing.T) {
	program := gateway(t)
	r := startWith(t, func(dir string) string {
		return fmt.Sprintf(networkConfiguration, dir, "request", "listen", "unix://"+dir+"/request", program, "serve", "http-serve")
	})
	r.until("ready", ready)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.request)
	}}}
	ask := func(path string, body []byte) string {
		t.Helper()
		got, err := client.Post("http://it"+path, "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, r.log.String())
		}
		defer got.Body.Close()
		text, err := io.ReadAll(got.Body)
		if err != nil || got.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, got.Status, err)
		}
		return string(text)
	}
	body := bytes.Repeat([]byte("echo"), 1<<18)
	if got := ask("/echo", body); got != string(body) {
		t.Errorf("%d bytes came back of %d", len(got), len(body))
	}
	if got := ask("/page", nil); len(got) != 1<<18 {
		t.Errorf("a page of %d bytes", len(got))
	}
	if got := ask("/open", nil); got != "open /etc/shadow: no such file or directory" {
		t.Errorf("/open: %s", got)
	}
	if _, err := client.Get("http://it/dial"); err == nil {
		t.Error("it answered after the call")
	}
	r.said(`BLOCKED: call="socket(AF_INET, SOCK_STREAM`, "profile=http-serve")
}

// TestNetClient: net/http asks over a granted connection, again and again.
func TestNetClient(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, strings.Repeat("x", int(n)/2))
	}))
	defer upstream.Close()
	program := gateway(t)
	r := startWith(t, func(dir string) string {
		return fmt.Sprintf(networkConfiguration, dir, "upstream", "connect", "tcp://"+upstream.Listener.Addr().String(), program, "ask", "net-client")
	})
	r.said("upstream: 200 OK, 32768 bytes, <nil>")
	for end := time.Now().Add(patience); strings.Count(r.log.String(), "upstream: 200 OK") < 5; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(r.log.String())
		}
	}
	if strings.Contains(r.log.String(), "BLOCKED") {
		t.Error(r.log.String())
	}
}

const shell = `
i=0
trap 'exit 0' TERM
while [ $i -lt 3 ]; do
  i=$((i+1))
  printf 'load %d\n' "$i"
done
read t < /proc/loadavg || echo "no loadavg"
echo "$PPID" > /tmp/x || echo "no output"
(echo "in a process") || echo "unreached"
`

// TestShell: a script of builtins prints, sees no file, and starts no process.
func TestShell(t *testing.T) {
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil || filepath.Base(sh) != "dash" {
		t.Skipf("needs dash as /bin/sh, which is %s", sh)
	}
	r := startWith(t, func(dir string) string {
		if err := os.WriteFile(filepath.Join(dir, "print.sh"), []byte(shell), 0o644); err != nil {
			t.Fatal(err)
		}
		libraries := `"/lib", "/lib64"`
		if _, err := os.Stat("/lib64"); err != nil {
			libraries = `"/lib"`
		}
		return fmt.Sprintf(`
supervisor {
  ids     = "22000-22099"
  waive   = ["landlock", "cgroup-memory"]
  control = "%[1]s/control"
}
worker "it" {
  command   = ["%[2]s", "%[1]s/print.sh"]
  read_only = [%[3]s, "%[1]s"]
  protocol  = 1
  policy    = "exec-shim"
  restart { when = "never" }
}`, dir, sh, libraries)
	})
	r.said("load 1", "load 2", "load 3", "cannot open /proc/loadavg: No such file", "no loadavg", "cannot create /tmp/x", "no output", "Cannot fork", `ended: why="exit 2"`)
	if log := r.log.String(); strings.Contains(log, "BLOCKED") || strings.Contains(log, "in a process") {
		t.Error(log)
	}
}
