package programs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A shell script of builtins. Its channel, which it does not speak, keeps it
// waiting at the end without a program for that.
const printing = `echo "temp 21.5 C"
echo "! temp 80 C too hot"
echo "rain 3 mm"
echo "what is this"
read nothing <&3
`

const shimmed = `
supervisor {
  name    = "shim"
  ids     = "22000-22099"
  waive   = ["landlock", "cgroup-memory"]
  control = "%[1]s/control"
}
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "it" {
  command   = ["/bin/sh", "%[1]s/script"]
  policy    = "exec-shim"
  shim      = true
  prints    = { temp = "C", rain = "mm" }
  read_only = [%[2]s, "%[1]s"]
  restart {
    when    = "always"
    backoff = "1ms..5ms"
    give_up = "1000 in 1h"
  }
  queue "readings" { send = ["reading", "alert"] }
}
`

// libraries are the directories of a dynamic program here.
func libraries() string {
	var list []string
	for _, d := range []string{"/bin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64"} {
		if _, err := os.Stat(d); err == nil {
			list = append(list, fmt.Sprintf("%q", d))
		}
	}
	return strings.Join(list, ", ")
}

// TestShim: a script that knows nothing of the hand-over prints, and its lines
// are readings; either half is started anew and goes on with the other.
func TestShim(t *testing.T) {
	r := startWith(t, func(dir string) string {
		if err := os.WriteFile(filepath.Join(dir, "script"), []byte(printing), 0o644); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(shimmed, dir, libraries())
	})
	st := r.until("shim ready", ready)
	if len(st.Grants) == 0 || st.Grants[0].Name != "it" {
		t.Errorf("grants %+v, want the lines first", st.Grants)
	}
	r.said(`"is\" is no value`, "supervisor.it.program: ready")
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("the next shim", func(next status) bool { return ready(next) && next.Epoch == st.Epoch+1 })
	r.stopped.Do(r.stop)
	if !strings.Contains(r.log.String(), "readings=2 alerts=1") || strings.Contains(r.log.String(), "BLOCKED") {
		t.Error(r.log.String())
	}
}
