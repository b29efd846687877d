package scmp_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/policy"
)

var update = flag.Bool("update", false, "write the golden listings anew")

// goldenVersion is the release that the listings come from. Another one may
// compile the same profile to other instructions: then the check against the
// model has to do, as it does before each use.
const goldenVersion = "2.5.4"

// A change of a profile, of the tables or of the compiler shows in the listing of
// the program, for a reviewer to read. go test ./internal/seccomp/scmp -update
func TestGoldenListings(t *testing.T) {
	same := scmp.Version() == goldenVersion
	if !same {
		t.Logf("libseccomp %s: the listings are those of %s, so that programs are compared with their profiles only", scmp.Version(), goldenVersion)
	}
	want := make(map[string]bool)
	for _, name := range policy.Roles {
		for _, a := range seccomp.Archs {
			file := filepath.Join("testdata", "listings", fmt.Sprintf("%s.%s.txt", name, a))
			want[file] = true
			b := role(t, name, a)
			program := compile(t, b)
			if err := seccomp.Verify(b, program); err != nil {
				t.Error(err)
			}
			listing := program.Listing()
			if *update && same {
				if err := os.WriteFile(file, []byte(listing), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
				continue
			}
			if same && listing != string(golden) {
				t.Errorf("%s: another program: %s", file, firstDifference(string(golden), listing))
			}
		}
	}
	files, err := filepath.Glob("testdata/listings/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !want[file] {
			t.Errorf("%s: there is no such profile", file)
		}
	}
}

func firstDifference(golden, now string) string {
	was, is := strings.Split(golden, "\n"), strings.Split(now, "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			return fmt.Sprintf("line %d was %q, is %q", i+1, was[i], is[i])
		}
	}
	return fmt.Sprintf("%d lines were %d", len(is), len(was))
}
