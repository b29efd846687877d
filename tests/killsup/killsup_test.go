//go:build fault

package killsup_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/tests/killsup"
	"sallyport/tests/results"
)

func TestMain(m *testing.M) {
	if os.Getenv(killsup.LaneEnv) != "" {
		if err := killsup.Lane(sabotages()); err != nil {
			fmt.Fprintln(os.Stderr, "lane:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var built string

// programs builds the product with failpoints, once.
func programs(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t)
	if built != "" {
		return built
	}
	dir, err := filepath.Abs("../../build/fault")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "workers"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, b := range []struct {
		to, cgo  string
		packages []string
	}{
		{"supervisor", "1", []string{"cmd/supervisor"}},
		{"worker", "0", []string{"cmd/worker"}},
		{"workers/", "0", []string{"examples/sensor-logger/sampler", "examples/sensor-logger/store", "examples/sensor-logger/alarm"}},
	} {
		args := []string{"build", "-tags", "fault", "-o", dir + "/" + b.to}
		for _, p := range b.packages {
			args = append(args, "sallyport/"+p)
		}
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+b.cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %q: %v\n%s", args, err, out)
		}
	}
	built = dir
	return built
}

// TestKills plays lives until N supervisors and WORKERS workers were killed. With
// neither it plays a few that come to every failpoint. SEED repeats a run; with
// RESULTS its result is added to that file, and RESUME goes on behind the last run
// of the same SEED there.
func TestKills(t *testing.T) {
	began := time.Now()
	c := killsup.Lanes{Programs: programs(t), Dir: open(t), Lanes: runtime.NumCPU(), Seed: setting(t, "SEED", uint64(time.Now().UnixNano())),
		Supervisors: int(setting(t, "N", 16)), Workers: int(setting(t, "WORKERS", 0)), Cycles: int(setting(t, "CYCLES", 2)),
		Patience: 30 * time.Second, Late: 30 * time.Second, Limit: 2, Stderr: os.Stderr}
	file := os.Getenv("RESULTS")
	if file != "" {
		// What is promised; not on a machine that does something else.
		c.Late, c.Limit = 2*time.Second, 10
	}
	if os.Getenv("RESUME") != "" {
		c.From = resume(t, file, c.Seed)
	}
	t.Logf("SEED=%d N=%d WORKERS=%d from life %d, built in %v", c.Seed, c.Supervisors, c.Workers, c.From, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	tally, next, err := c.Play()
	if err != nil {
		t.Fatal(err)
	}
	complete(t, &c, &tally, &next)
	for _, f := range tally.Findings {
		t.Error(f)
	}
	t.Logf("%d lives, %d supervisors and %d workers killed, %d looks, %d points missed, %d files torn, in %v: %s", tally.Lives, tally.Supervisors,
		tally.Workers, tally.Checks, tally.Missed, tally.Torn, time.Since(began).Round(time.Millisecond), words(tally.Hits))
	for what, all := range map[string][]float64{"ready after a start": tally.Restarts, "ready after a worker's death": tally.Recoveries, "gone after the supervisor's death": tally.Endings} {
		t.Logf("%s: %s", what, times(all))
	}
	for _, point := range slices.Concat(killsup.ParentPoints, killsup.WorkerPoints) {
		if tally.Hits[point] == 0 {
			t.Errorf("nobody died at %s", point)
		}
	}
	if file != "" {
		record(t, file, began, c, tally, next)
	}
}

// complete plays the life of a point again when that was missed: some are a matter
// of what the workers happen to do.
func complete(t *testing.T, c *killsup.Lanes, tally *killsup.Tally, next *uint64) {
	t.Helper()
	for i, p := range slices.Concat(killsup.ParentPoints, killsup.WorkerPoints) {
		for try := range uint64(5) {
			if tally.Hits[p] > 0 {
				break
			}
			// The first lives of every seed go through the points in turn.
			from := i
			if i >= len(killsup.ParentPoints) {
				from = (i - len(killsup.ParentPoints)) / c.Cycles
			}
			more := *c
			more.Seed, more.From, more.Supervisors, more.Workers = c.Seed+*next+try+1, uint64(from), 1, 0
			again, _, err := more.Play()
			if err != nil {
				t.Fatal(err)
			}
			tally.Add(again)
		}
	}
}

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func resume(t *testing.T, file string, seed uint64) (from uint64) {
	t.Helper()
	runs, err := results.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if r.Value("seed") == fmt.Sprint(seed) {
			if from, err = strconv.ParseUint(r.Value("next"), 10, 64); err != nil {
				t.Fatalf("%s: next: %v", file, err)
			}
		}
	}
	return from
}

func record(t *testing.T, file string, began time.Time, c killsup.Lanes, tally killsup.Tally, next uint64) {
	t.Helper()
	r := results.New(fmt.Sprintf("make kill N=%d WORKERS=%d SEED=%d", c.Supervisors, c.Workers, c.Seed), began)
	for _, l := range []struct {
		key   string
		value any
	}{
		{"seed", c.Seed}, {"from", c.From}, {"next", next}, {"lanes", c.Lanes}, {"supervisors", tally.Supervisors}, {"workers", tally.Workers},
		{"looks", tally.Checks}, {"missed", tally.Missed}, {"torn", tally.Torn}, {"findings", len(tally.Findings)}, {"hits", words(tally.Hits)},
		{"restart", times(tally.Restarts)}, {"recovery", times(tally.Recoveries)}, {"ending", times(tally.Endings)},
	} {
		r.Add(l.key, l.value)
	}
	for _, f := range tally.Findings {
		r.Add("finding", f)
	}
	if err := results.Append(file, r); err != nil {
		t.Fatal(err)
	}
	runs, err := results.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := func(key string) int { return results.Total(runs, key) }
	t.Logf("%s: %d runs, %d supervisors, %d workers, %d findings", file, len(runs), sum("supervisors"), sum("workers"), sum("findings"))
}

func times(all []float64) string {
	return fmt.Sprintf("p50 %.0f ms, p99 %.0f ms, max %.0f ms", killsup.Quantile(all, 0.5), killsup.Quantile(all, 0.99), killsup.Quantile(all, 1))
}

// words is "P1 31 P2 28 ...", in the order of the protocol.
func words(hits map[string]int) string {
	var all []string
	for _, point := range slices.Concat(killsup.ParentPoints, killsup.WorkerPoints, []string{"S*", "P*", "T*", "W*"}) {
		all = append(all, fmt.Sprintf("%s %d", point, hits[point]))
	}
	return strings.Join(all, " ")
}
