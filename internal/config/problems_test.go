package config_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/config"
)

var update = flag.Bool("update", false, "write the golden files")

var rules = config.Rules{
	Policies: []string{"sensor-read", "append-only", "gpio-line"},
	Waivers:  []string{"own-uid", "landlock", "cgroup-memory"},
	Command: func(program string) error {
		if program == "missing-program" {
			return fmt.Errorf("there is no program %q in workers/", program)
		}
		return nil
	},
}

// TestParseReportsAll compares all that is said about each faulty file with a
// golden file; -update writes them anew.
func TestParseReportsAll(t *testing.T) {
	files, err := filepath.Glob("testdata/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no faulty files: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c, err := rules.Parse(filepath.Base(path), src)
			var problems config.Problems
			if c != nil || !errors.As(err, &problems) {
				t.Fatalf("config %v, error %v", c, err)
			}
			for _, p := range problems {
				if p.Line == 0 || p.Col == 0 || p.What == "" || p.Source == "" {
					t.Errorf("without a place: %s", p)
				}
			}
			golden := strings.TrimSuffix(path, ".hcl") + ".golden"
			got := problems.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("(-want +got)\n%s", cmp.Diff(string(want), got))
			}
		})
	}
}
