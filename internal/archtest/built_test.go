package archtest_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/archtest"
)

// TestBuiltFiles looks at the files themselves, not at how they should have
// been made.
func TestBuiltFiles(t *testing.T) {
	for _, name := range archtest.Built {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("../../bin", name)
			if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
				t.Skipf("needs bin/%s: make build", name)
			}
			check := archtest.Static
			if name == "supervisor" {
				check = archtest.Privileged
			}
			if err := check(file); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBuiltFilesBite(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nimport _ \"os/user\"\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	build := func(name, cgo string, flags ...string) string {
		file := filepath.Join(dir, name)
		cmd := exec.Command("go", append(append([]string{"build", "-o", file}, flags...), source)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo, "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return file
	}
	dynamic, paths, static := build("dynamic", "1"), build("paths", "0"), build("static", "0", "-trimpath")
	for _, row := range []struct {
		check      func(string) error
		file, want string
	}{
		{archtest.Static, static, ""},
		{archtest.Static, dynamic, "linked dynamically"},
		{archtest.Static, paths, "-trimpath"},
		{archtest.Static, source, "bad magic number"},
		{archtest.Privileged, static, "not with libseccomp.so.2"},
		{archtest.Privileged, dynamic, "not with libseccomp.so.2"},
	} {
		err := row.check(row.file)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", filepath.Base(row.file), err, row.want)
		}
	}
}
