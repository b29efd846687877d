package main_test

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestFD runs the scripts of `sallyport fd`. Each passes descriptors between
// processes of a real shell.
func TestFD(t *testing.T) {
	dir := programs(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/fd",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", dir+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
	})
}
