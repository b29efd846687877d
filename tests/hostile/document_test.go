package hostile_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The document shows the matrix as it is tested.
func TestDocumentShowsTheMatrix(t *testing.T) {
	text, err := os.ReadFile("../../docs/hostile-queues.md")
	must(t, err)
	var rows strings.Builder
	rows.WriteString("| a worker | modes alone | filter alone | both |\n| --- | --- | --- | --- |\n")
	for _, a := range actions {
		fmt.Fprintf(&rows, "| %s | %s | %s | %s |\n", a.name, word(a.modes), word(a.filter), word(a.both))
	}
	if !strings.Contains(string(text), rows.String()) {
		t.Errorf("docs/hostile-queues.md wants this table:\n%s", rows.String())
	}
}

func word(outcome string) string {
	switch {
	case strings.HasPrefix(outcome, "ok"):
		return "done"
	case outcome == "breach":
		return "ended"
	}
	return outcome
}
