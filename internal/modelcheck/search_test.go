package modelcheck_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/modelcheck"
)

const good = `
Full statespace search for:
State-vector 140 byte, depth reached 445, errors: 0
   833944 states, stored
  2000000 transitions (= stored+matched)
   72.088	total actual memory usage
unreached in proctype Offer
	/tmp/x/handover.pml:179, state 202, "proven = 1"
pan: elapsed time 0.93 seconds
`

func TestReadOutcome(t *testing.T) {
	for _, row := range []struct {
		name, out, goal string
		broken          string
		complete, fails bool
		states          int64
	}{
		{"good", good, modelcheck.Safety, "", true, false, 833944},
		{"assertion", "pan:1: assertion violated ((sole_holder||(x==0))) (at depth 9)\n" + strings.Replace(good, "errors: 0", "errors: 1", 1), modelcheck.Safety, "sole_holder", true, false, 833944},
		{"deadlock", "pan:1: invalid end state (at depth 9)\n" + strings.Replace(good, "errors: 0", "errors: 1", 1), modelcheck.Safety, modelcheck.NoWayOut, true, false, 833944},
		{"cycle", "pan:1: acceptance cycle (at depth 9)\n" + strings.Replace(good, "errors: 0", "errors: 1", 1), "grant_ends", "grant_ends", true, false, 833944},
		{"in short", strings.Replace(good, "833944", "1.2e+08", 1), modelcheck.Safety, "", true, false, 120000000},
		{"out of memory", "pan: reached -DMEMLIM bound\nWarning: Search not completed\n" + good, modelcheck.Safety, "", false, false, 833944},
		{"too deep", "error: max search depth too small\n" + good, modelcheck.Safety, "", false, false, 833944},
		{"error without a name", strings.Replace(good, "errors: 0", "errors: 1", 1), modelcheck.Safety, "", true, true, 833944},
		{"silence", "", modelcheck.Safety, "", true, true, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			o, err := modelcheck.ReadOutcome(row.out, row.goal)
			if (err != nil) != row.fails || o.Broken != row.broken || o.Complete != row.complete || o.States != row.states {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// TestTables: those of the project can be read, and have what they must.
func TestTables(t *testing.T) {
	runs, err := modelcheck.ReadRuns(model)
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := modelcheck.ReadMutants(model, runs)
	if err != nil {
		t.Fatal(err)
	}
	source, err := modelcheck.ReadSource(model)
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) < modelcheck.LeastMutants || len(mutants) != len(source.Mutants) {
		t.Errorf("%d mutants in the table, %d in the model, at least %d wanted", len(mutants), len(source.Mutants), modelcheck.LeastMutants)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mutants.txt"), []byte("MUT_A | nowhere | x | y\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := modelcheck.ReadMutants(dir, runs); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a mutant of no run: %v", err)
	}
}

// TestCheckBites gives the checker a model that is wrong in every way it looks
// for: a mutant that breaks nothing, a label nobody is killed at, a line that is
// never reached, too few states.
func TestCheckBites(t *testing.T) {
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"handover.pml": "hidden byte small;\nbyte n;\nproctype Offer() {\n\tn = 1;\n\tassert(small || n < 2);\n\tif\n\t:: n == 7 ->\nP1:\t\tn = 8\n\t:: else\n\tfi\n}\n" +
			"#ifdef MUT_NOTHING\n#endif\n#ifdef MUT_BIG\nproctype Big() { n = 2; assert(small || n < 2) }\n#endif\n" +
			"init { atomic { run Offer();\n#ifdef MUT_BIG\nrun Big()\n#endif\n} }\n",
		"runs.txt":    "one | safety | ND=1 | q\n",
		"mutants.txt": "MUT_NOTHING | one | small | x\nMUT_BIG | one | small | x\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := modelcheck.Check{Model: dir, Scratch: t.TempDir(), Jobs: 2, Out: io.Discard}
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(c.Bad, "\n")
	for _, want := range []string{"MUT_NOTHING is not caught", "2 mutants, want", "no kill at P1", "no run reaches \"P1:", "states, want at least"} {
		if !strings.Contains(all, want) {
			t.Errorf("not found: %s", want)
		}
	}
	if strings.Contains(all, "MUT_BIG") {
		t.Error("a mutant that is caught was complained about")
	}
	if t.Failed() {
		t.Log(all)
	}
}
