package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/attest"
)

// TestInspectAsDocumented: the example in docs/control.md has every field of the
// answer and no other.
func TestInspectAsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/control.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## inspect\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, example, _ := strings.Cut(section, "\n    {\"worker\"")
	example, _, _ = strings.Cut("{\"worker\""+example, "\n\n")
	var documented map[string]any
	if err := json.Unmarshal([]byte(example), &documented); err != nil {
		t.Fatalf("%v in %s", err, example)
	}
	view := attest.View{Namespaces: make([]attest.Namespace, 1), Descriptors: make([]attest.Descriptor, 1)}
	raw, err := json.Marshal(inspection{Now: &view})
	if err != nil {
		t.Fatal(err)
	}
	var real map[string]any
	if err := json.Unmarshal(raw, &real); err != nil {
		t.Fatal(err)
	}
	compareKeys(t, "", documented, real)
}

func compareKeys(t *testing.T, at string, documented, real any) {
	if list, ok := documented.([]any); ok && len(list) > 0 {
		if inner, ok := real.([]any); ok && len(inner) > 0 {
			compareKeys(t, at+"[0]", list[0], inner[0])
		}
		return
	}
	d, ok := documented.(map[string]any)
	r, also := real.(map[string]any)
	if !ok || !also {
		return // a value, or an object whose keys are data
	}
	if a, b := slices.Sorted(maps.Keys(d)), slices.Sorted(maps.Keys(r)); !slices.Equal(a, b) {
		t.Errorf("%s: documented are %q, answered are %q", at, a, b)
	}
	for name := range d {
		compareKeys(t, at+"."+name, d[name], r[name])
	}
}
