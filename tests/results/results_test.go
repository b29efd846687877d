package results_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/tests/results"
)

func TestRunsAddUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runs.txt")
	if all, err := results.Read(file); err != nil || len(all) != 0 {
		t.Errorf("no file: %v, %v", all, err)
	}
	if err := os.WriteFile(file, []byte("# for people\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, points := range []int{2000, 500} {
		r := results.New("make it", time.Now().Add(-time.Second))
		r.Add("points", points)
		r.Add("words", "two\nlines")
		if err := results.Append(file, r); err != nil {
			t.Fatal(err)
		}
	}
	all, err := results.Read(file)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	if n := results.Total(all, "points"); n != 2500 {
		t.Errorf("%d points in all", n)
	}
	r := all[1]
	if r.Value("words") != "two; lines" || r.Value("command") != "make it" || r.Value("none") != "" || r.Value("seconds") != "1.0" {
		t.Errorf("%v", r)
	}
	if m := r.Value("machine"); !strings.Contains(m, "cores") || !strings.Contains(m, "Linux ") {
		t.Errorf("machine %q", m)
	}
	if err := os.WriteFile(file, []byte("key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := results.Read(file); err == nil || !strings.Contains(err.Error(), "runs.txt:1") {
		t.Errorf("a key without a value: %v", err)
	}
}
