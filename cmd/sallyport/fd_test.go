package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run the command itself: in them, sallyport is this
// test binary.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": main})
}

// TestFD runs the scripts of `sallyport fd`. Each passes descriptors between
// processes of a real shell.
func TestFD(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/fd",
		Condition: func(name string) (bool, error) {
			return name == "root" && os.Geteuid() == 0, nil
		},
	})
}
