package archtest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"sallyport/internal/archtest"
)

// TestTree holds the project to every rule.
func TestTree(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	m, err := archtest.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range archtest.Rules {
		t.Run(rule.Name, func(t *testing.T) {
			for _, dir := range rule.Needs {
				if !m.Has(dir) {
					t.Skipf("needs %s: not written yet", dir)
				}
			}
			bad, err := rule.Check(m)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(bad)
			for _, line := range bad {
				t.Error(line)
			}
		})
	}
}

// TestRulesBite shows each rule small broken modules, and wants to hear the
// complaint that stands in the module's comment as "want: ", and no other.
func TestRulesBite(t *testing.T) {
	for _, rule := range archtest.Rules {
		t.Run(rule.Name, func(t *testing.T) {
			names, err := filepath.Glob("testdata/" + rule.Name + "*.txtar")
			if err != nil || len(names) == 0 {
				t.Fatalf("no broken module for the rule (%v)", err)
			}
			for _, name := range names {
				bites(t, rule, name)
			}
		})
	}
}

func bites(t *testing.T, rule archtest.Rule, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	archive.Files = append(archive.Files, txtar.File{Name: "go.mod", Data: []byte("module sallyport\n\ngo 1.26\n")})
	for _, f := range archive.Files {
		file := filepath.Join(dir, f.Name)
		if _, err := os.Stat(file); err == nil {
			continue // the archive brought a go.mod of its own
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(f.Data), "FOREIGN", archtest.Foreign[0])
		text = strings.ReplaceAll(text, "LONG\n", strings.Repeat("// long\n", 401))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := archtest.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := rule.Check(m)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var wants []string
	for line := range strings.Lines(string(archive.Comment)) {
		if want, found := strings.CutPrefix(line, "want: "); found {
			wants = append(wants, strings.TrimSpace(want))
		}
	}
	for _, want := range wants {
		if !slices.ContainsFunc(bad, func(b string) bool { return strings.Contains(b, want) }) {
			t.Errorf("%s: not found: %s\ncomplaints: %q", name, want, bad)
		}
	}
	for _, b := range bad {
		if !slices.ContainsFunc(wants, func(want string) bool { return strings.Contains(b, want) }) {
			t.Errorf("%s: a complaint about what is right: %s", name, b)
		}
	}
}
