package programs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/tests/results"
)

// handovers is how many there are for each peer: HANDOVERS, or a few.
func handovers(t *testing.T) int {
	t.Helper()
	text := os.Getenv("HANDOVERS")
	if text == "" {
		return 30
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("HANDOVERS=%q: want a number above zero", text)
	}
	return n
}

// record adds a run to the file RESULTS, if there is one.
func record(t *testing.T, peer string, n, done int, began time.Time) {
	t.Helper()
	t.Logf("%d hand-overs to %s in %v", done, peer, time.Since(began).Round(time.Millisecond))
	file := os.Getenv("RESULTS")
	if file == "" || t.Failed() {
		return
	}
	r := results.New(fmt.Sprintf("make handovers N=%d", n), began)
	r.Add("peer", peer)
	r.Add("handovers", done)
	if err := results.Append(file, r); err != nil {
		t.Fatal(err)
	}
}

// again is a worker that says LOST of two files in turn: one is shared with it, the
// other it has alone, so that its copy is compared and COMMIT is waited for. Every
// copy of the first is compared too.
const again = `
supervisor {
  name    = "handovers"
  ids     = "22100-22199"
  waive   = ["landlock", "cgroup-memory"]
  control = "%[1]s/control"
}
device "load" { file = { path = "/proc/loadavg", decode = "field:0" } }
device "mem" {
  file     = { path = "/proc/meminfo", decode = "key:MemAvailable" }
  handover = "exclusive"
}
worker "it" {
  settings = { times = "%[2]d" }
  devices  = ["load", "mem"]
  proof    = 4
  compare  = 1
%[3]s
}
`

// TestHandoversToPeers: workers in Python and C, under the stage and their profile,
// are granted things again and again, at level 2.
func TestHandoversToPeers(t *testing.T) {
	n := handovers(t)
	for peer, worker := range map[string]func(t *testing.T, dir string) string{"python": lostInPython, "c": lostInC} {
		t.Run(peer, func(t *testing.T) {
			began := time.Now()
			r := startWith(t, func(dir string) string { return fmt.Sprintf(again, dir, n, worker(t, dir)) })
			want := fmt.Sprintf("%d handed over", n)
			st := r.untilWithin(time.Duration(n)*patience/50+patience, "all handed over", func(st status) bool { return st.Says == want || st.Epoch > 1 })
			if st.Epoch != 1 || st.ProofLevel != 4 || len(st.Grants) != 2 {
				t.Errorf("%+v", st)
			}
			// Two at its start besides.
			if got := strings.Count(r.log.String(), "granting again"); got != n {
				t.Errorf("%d were granted again, want %d", got, n)
			}
			r.stopped.Do(r.stop)
			record(t, peer+" at level 2", n, n+2, began)
		})
	}
}

func lostInPython(t *testing.T, dir string) string {
	needPython(t)
	for _, from := range []string{"testdata/lost.py", "../../sdk/python/sallyport.py"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(from)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	libraries := `"/lib", "/lib64", "/usr/lib"`
	if _, err := os.Stat("/lib64"); err != nil {
		libraries = `"/lib", "/usr/lib"`
	}
	return fmt.Sprintf("  command   = [\"/usr/bin/python3\", \"-BS\", \"%[1]s/lost.py\", \"%[1]s\"]\n  read_only = [%[2]s, \"%[1]s\"]\n  policy    = \"python-basic\"\n", dir, libraries)
}

func lostInC(t *testing.T, dir string) string {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("needs cc, a C compiler")
	}
	program := filepath.Join(dir, "lost")
	if text, err := exec.Command(cc, "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-I../../sdk/c", "-o", program, "testdata/lost.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return fmt.Sprintf("  command = [%q]\n  policy  = \"c-basic\"\n", program)
}

// TestHandoversAtLevel1: a program that knows the short receipt only is granted its
// socket once in every life, so it has as many lives.
func TestHandoversAtLevel1(t *testing.T) {
	n, began := handovers(t), time.Now()
	r := start(t, fmt.Sprintf("  command  = [%q, \"short\"]\n  protocol = 1\n", small(t)))
	last := 0
	for range n {
		st := r.until("ready", func(st status) bool { return ready(st) && st.PID != last })
		last = st.PID
		want := fmt.Sprintf("%d a\n", last)
		if answer, err := r.ask([]byte{'a'}, len(want)); err != nil || string(answer) != want {
			t.Fatalf("answer %q, want %q (%v)", answer, want, err)
		}
		if err := syscall.Kill(last, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	r.stopped.Do(r.stop)
	record(t, "a program at level 1", n, n, began)
}
