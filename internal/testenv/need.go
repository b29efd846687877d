package testenv

import (
	"os"
	"strings"
	"testing"
)

// NeedRoot skips the test unless it runs with effective user id 0.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// Need skips the test with "needs " and what is missing, when err is not nil.
func Need(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Skipf("needs %s: %v", strings.TrimPrefix(what, "needs "), err)
	}
}
