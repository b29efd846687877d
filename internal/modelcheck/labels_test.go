package modelcheck_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/modelcheck"
)

const (
	root  = "../.."
	model = root + "/pkg/scmrights/model"
)

var (
	labelRow   = regexp.MustCompile(`(?m)^\| ([PW]\d+) \| (.+) \| (yes|no) \| (.+) \|$`)
	pointCall  = regexp.MustCompile(`fault\.Point\("([PW]\d+)"\)`)
	documented = regexp.MustCompile(`\| ([PW]\d+) +\| ([^|]+?) +\|`)
)

type label struct{ moment, modelled, folder string }

// labels is the table of the model's README.
func labels(t *testing.T) map[string]label {
	t.Helper()
	text, err := os.ReadFile(model + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]label{}
	for _, m := range labelRow.FindAllStringSubmatch(string(text), -1) {
		table[m[1]] = label{m[2], m[3], m[4]}
	}
	if len(table) != 26 {
		t.Fatalf("%d labels in the README, want P1 to P16 and W1 to W10", len(table))
	}
	return table
}

// TestLabelsOfModel: the model has those that the table says it has.
func TestLabelsOfModel(t *testing.T) {
	source, err := modelcheck.ReadSource(model)
	if err != nil {
		t.Fatal(err)
	}
	table := labels(t)
	for name, l := range table {
		if _, found := source.Labels[name]; found != (l.modelled == "yes") {
			t.Errorf("%s: in the model: %v, in the README: %s", name, found, l.modelled)
		}
	}
	for name := range source.Labels {
		if _, found := table[name]; !found {
			t.Errorf("%s is in the model and not in the README", name)
		}
	}
}

// TestLabelsOfCode: each is a failpoint in the folder that the table names, and
// in no other.
func TestLabelsOfCode(t *testing.T) {
	found := map[string][]string{}
	for _, top := range []string{"cmd", "internal", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			folder, err := filepath.Rel(root, filepath.Dir(name))
			for _, m := range pointCall.FindAllStringSubmatch(string(text), -1) {
				if !slices.Contains(found[m[1]], folder) {
					found[m[1]] = append(found[m[1]], folder)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, l := range labels(t) {
		if got := strings.Join(found[name], " "); got != l.folder {
			t.Errorf("%s: fault.Point in %q, the README says %q", name, got, l.folder)
		}
		delete(found, name)
	}
	for name, folders := range found {
		t.Errorf("%s in %q is not in the README", name, folders)
	}
}

// TestLabelsOfDocument: the protocol's description has all of them, with a
// moment that shares a word with ours: nobody has used one for another thing.
func TestLabelsOfDocument(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/protocol.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("needs docs/protocol.md: not written yet")
	}
	if err != nil {
		t.Fatal(err)
	}
	moments := map[string]string{}
	for line := range strings.Lines(string(text)) {
		for rest := line; ; {
			at := documented.FindStringSubmatchIndex(rest)
			if at == nil {
				break
			}
			moments[rest[at[2]:at[3]]] = rest[at[4]:at[5]]
			rest = rest[at[1]-1:] // the last bar begins the next cell
		}
	}
	for name, l := range labels(t) {
		switch moment, found := moments[name]; {
		case !found:
			t.Errorf("%s is not in the description", name)
		case !akin(moment, l.moment):
			t.Errorf("%s is %q in the description and %q in the model's README", name, moment, l.moment)
		}
		delete(moments, name)
	}
	for name := range moments {
		t.Errorf("%s is in the description only", name)
	}
}

// akin compares the words of two sentences but for the small ones.
func akin(a, b string) bool {
	words := strings.FieldsFunc(strings.ToLower(b), func(r rune) bool { return r < 'a' || r > 'z' })
	for _, w := range words {
		if len(w) > 1 && w != "the" && strings.Contains(strings.ToLower(a), w) {
			return true
		}
	}
	return false
}

// TestREADMENamesProperties: each has its sentence.
func TestREADMENamesProperties(t *testing.T) {
	source, err := modelcheck.ReadSource(model)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(model + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(source.Properties, modelcheck.NoWayOut) {
		if !strings.Contains(string(text), "\n| "+name+" | ") {
			t.Errorf("the README says nothing of %s", name)
		}
	}
}
