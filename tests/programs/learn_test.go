package programs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testenv"
)

// learnt runs `policy learn` until the worker under it has done all that words
// name, and gives the proposal.
func learnt(t *testing.T, worker string, configured func(dir string) string, words ...string) string {
	t.Helper()
	testenv.NeedRoot(t)
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "supervisor")); err != nil {
		t.Skip("needs bin/supervisor: make build")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "learn.hcl")
	if err := os.WriteFile(file, []byte(configured(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, dir: dir}
	var out testenv.Log
	r.cmd = exec.Command(filepath.Join(bin, "sallyport"), "policy", "learn", worker, "--config", file, "--log-level", "info")
	r.cmd.Stdout, r.cmd.Stderr = &out, &r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = r.cmd.Process.Kill() // it has ended, unless the test failed
	}()
	r.said(append(words, "one worker is not filtered")...)
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, r.log.String())
	}
	t.Log(out.String())
	return out.String()
}

// named puts a proposal beside a configuration and names it there.
func named(t *testing.T, dir, config, worker, proposal string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "learnt.policy"), []byte(proposal), 0o644); err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)(worker "` + worker + `" \{.*?policy +=) "[a-z-]+"`)
	if !block.MatchString(config) {
		t.Fatalf("no worker %s with a policy in\n%s", worker, config)
	}
	return block.ReplaceAllString(config, `$1 "./learnt.policy"`)
}

// TestLearnPython: the sensor of the example under the profile that was learned
// from a run of it does what it did before, and what it never did ends it.
func TestLearnPython(t *testing.T) {
	needPython(t)
	proposal := learnt(t, "sensor", func(dir string) string { return examplePython(t, dir) }, "ALERT fridge 9 C above 8", "reading fridge 4 C")
	if strings.Contains(proposal, "\nsocket") || !strings.Contains(proposal, "include @sallyport-worker") || !strings.Contains(proposal, "start {") {
		t.Error("that is no profile of a Python worker")
	}
	r := startWith(t, func(dir string) string { return named(t, dir, examplePython(t, dir), "sensor", proposal) })
	r.said("reading load ", "reading fridge 4 C", "ALERT fridge 9 C above 8", "supervisor.sensor: ready")
	r.stopped.Do(r.stop)
	if log := r.log.String(); strings.Contains(log, "BLOCKED") || strings.Contains(log, "epoch=2") {
		t.Error(log)
	}
}

const samplerConfiguration = `
supervisor {
  ids     = "22000-22099"
  waive   = ["landlock", "cgroup-memory"]
  control = "DIR/control"
}
device "load" { file = { path = "/proc/loadavg", decode = "field:0" } }
device "fridge" {
  sim  = { wave = "pulse", period = "1s", after = "300ms", for = "300ms", min = 4, max = 9 }
}
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "sampler" {
  command  = ["sampler"]
  settings = { every = "100ms", alert = "fridge > 8" }
  devices  = ["load", "fridge"]
  policy   = "sensor-read"
  queue "readings" { send = ["reading", "alert"] }
}
worker "alarm" {
  command  = ["/usr/bin/python3", "-BS", "DIR/display.py"]
  read_only = [LIBRARIES, "DIR"]
  policy   = "python-basic"
  queue "readings" { receive = ["*"] }
}
`

// TestLearnSampler: the sampler of the sensor logger needs one call beside what
// Go and the hand-over need, and works with it alone.
func TestLearnSampler(t *testing.T) {
	needPython(t)
	configured := func(dir string) string {
		examplePython(t, dir)
		libraries := `"/lib", "/lib64", "/usr/lib"`
		if _, err := os.Stat("/lib64"); err != nil {
			libraries = `"/lib", "/usr/lib"`
		}
		return strings.NewReplacer("DIR", dir, "LIBRARIES", libraries).Replace(samplerConfiguration)
	}
	proposal := learnt(t, "sampler", configured, "reading load ", "ALERT fridge 9")
	_, rules, _ := strings.Cut(proposal, "include @sallyport-worker\n")
	if !strings.Contains(proposal, "include @go-runtime\n") || !regexp.MustCompile(`^pread64 +# \d+ times while running\n$`).MatchString(rules) {
		t.Errorf("more, or less, than pread64 beside the groups")
	}
	r := startWith(t, func(dir string) string { return named(t, dir, configured(dir), "sampler", proposal) })
	r.said("reading load ", "reading fridge 4", "ALERT fridge 9", "supervisor.sampler: ready")
	time.Sleep(time.Second) // collections, idle threads
	r.stopped.Do(r.stop)
	if log := r.log.String(); strings.Contains(log, "BLOCKED") || strings.Contains(log, "epoch=2") {
		t.Error(log)
	}
}
