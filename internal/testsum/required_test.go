package testsum_test

import (
	"strings"
	"testing"

	"sallyport/internal/testsum"
)

func TestRequire(t *testing.T) {
	skipped := testsum.Result{Name: testsum.Name{Package: "m/a", Test: "TestRoot/one"}, Output: "    a_test.go:3: needs root\n"}
	passed := testsum.Name{Package: "m/a", Test: "TestPlain"}
	for _, row := range []struct {
		list    string
		failed  string // what the first failure says, "" for none
		skipped int
	}{
		{"", "", 1},
		{"a TestPlain # comment\n\n", "", 1},
		{"a TestRoot\n", "required, but skipped: needs root", 0},
		{"a Test*\n", "required, but skipped: needs root", 0},
		{"a TestGone\n", "line 1 of the list), but no such test ran", 1},
		{"b TestPlain\n", "no such test ran", 1},
	} {
		sum := &testsum.Sum{Passed: []testsum.Name{passed}, Skipped: []testsum.Result{skipped}}
		list, err := testsum.ReadRequired(strings.NewReader(row.list))
		if err != nil {
			t.Fatal(err)
		}
		sum.Require("m", list)
		if len(sum.Skipped) != row.skipped {
			t.Errorf("%q: skipped %v", row.list, sum.Skipped)
		}
		switch {
		case row.failed == "" && len(sum.Failed) > 0:
			t.Errorf("%q: failed %q", row.list, sum.Failed)
		case row.failed != "" && (len(sum.Failed) != 1 || !strings.Contains(sum.Failed[0].Output, row.failed)):
			t.Errorf("%q: failed %q, want %q", row.list, sum.Failed, row.failed)
		}
	}
}

func TestReadRequiredNamesTheLine(t *testing.T) {
	for _, bad := range []string{"a Test*\nonly-a-package\n", "\na Test[\n"} {
		if _, err := testsum.ReadRequired(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}
