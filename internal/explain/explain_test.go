package explain_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/explain"
)

// TestEveryCodeHasItsPage: a code in the sources has a page, a page has a code
// that somebody reports, and the document of the control socket has those of
// the socket.
func TestEveryCodeHasItsPage(t *testing.T) {
	code := regexp.MustCompile(`"(SP\d{4})"`)
	used := map[string]string{}
	for _, dir := range []string{"../../cmd", "../../internal"} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			for _, m := range code.FindAllStringSubmatch(string(text), -1) {
				used[m[1]] = name
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	document, err := os.ReadFile("../../docs/control.md")
	if err != nil {
		t.Fatal(err)
	}
	for c, where := range used {
		if _, found := explain.Find(c); !found {
			t.Errorf("%s reports %s, which has no page in codes.md", where, c)
		}
		if strings.HasPrefix(c, "SP04") && !strings.Contains(string(document), "| "+c+" |") {
			t.Errorf("docs/control.md has no line about %s", c)
		}
	}
	for _, p := range explain.Pages() {
		if used[p.Code] == "" {
			t.Errorf("nothing reports %s", p.Code)
		}
		if p.Title == "" || len(p.Text) < 80 || p.Exit < 1 || p.Exit > 8 {
			t.Errorf("%+v", p)
		}
	}
	if len(explain.Pages()) < 20 {
		t.Errorf("%d pages", len(explain.Pages()))
	}
}
