package fault_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryLabelIsPlaced: the failpoints of the protocol stand in the code, and
// no others do.
func TestEveryLabelIsPlaced(t *testing.T) {
	placed := map[string]int{}
	call := regexp.MustCompile(`fault\.Point\("([^"]*)"\)`)
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range call.FindAllSubmatch(text, -1) {
			placed[string(m[1])]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for side, count := range map[string]int{"P": 16, "W": 10} {
		for i := 1; i <= count; i++ {
			label := fmt.Sprintf("%s%d", side, i)
			if placed[label] == 0 {
				t.Errorf("%s is nowhere", label)
			}
			delete(placed, label)
		}
	}
	for label := range placed {
		t.Errorf("%s is no label of the protocol", label)
	}
}
