package config_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/config"
)

// TestReferenceIsCurrent: docs/configuration.md is what the tables say; -update
// writes it anew.
func TestReferenceIsCurrent(t *testing.T) {
	const page = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(page, []byte(config.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), config.Reference()); diff != "" {
		t.Errorf("docs/configuration.md is out of date; go test ./internal/config -update writes it (-file +tables)\n%s", diff)
	}
}
