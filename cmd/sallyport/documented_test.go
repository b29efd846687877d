package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// documented is the command `documented SECTION [MARK]`: every JSON object in the
// standard output of the last command has the shape of one that docs/control.md
// shows in that section: the same keys with values of the same kinds. What is
// shown there is the golden file of the answers.
func documented(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile("../../docs/control.md")
	ts.Check(err)
	_, section, found := strings.Cut(string(text), "\n## "+args[0]+"\n")
	if !found {
		ts.Fatalf("docs/control.md has no section %q", args[0])
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var shapes []string
	for _, block := range indented(section) {
		shapes = append(shapes, shapesOf(block)...)
	}
	lines := 0
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		lines++
		var v any
		ts.Check(json.Unmarshal([]byte(line), &v))
		if got := shape(v); !slices.Contains(shapes, got) {
			ts.Fatalf("an answer of a shape that is not in docs/control.md, %s:\n%s\nshape %s\nshown there:\n%s", args[0], line, got, strings.Join(shapes, "\n"))
		}
	}
	if lines == 0 {
		ts.Fatalf("there was no answer")
	}
}

// indented gives the blocks of text that stand four spaces to the right.
func indented(section string) []string {
	var blocks []string
	within := false
	for line := range strings.Lines(section) {
		code, isCode := strings.CutPrefix(line, "    ")
		switch {
		case isCode && within:
			blocks[len(blocks)-1] += code
		case isCode:
			blocks = append(blocks, code)
		}
		within = isCode
	}
	return blocks
}

// shapesOf reads JSON objects one after the other.
func shapesOf(block string) []string {
	var list []string
	for d := json.NewDecoder(strings.NewReader(block)); ; {
		var v any
		if d.Decode(&v) != nil {
			return list
		}
		list = append(list, shape(v))
	}
}

// shape is a value without what may differ: an empty list has the shape of any.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var keys []string
		for k, inner := range v {
			if _, isList := inner.([]any); isList {
				keys = append(keys, k+":list")
				continue
			}
			keys = append(keys, k+":"+shape(inner))
		}
		slices.Sort(keys)
		return "{" + strings.Join(keys, " ") + "}"
	case nil:
		return "null"
	}
	return fmt.Sprintf("%T", v)
}
