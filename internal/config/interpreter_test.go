package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/config"
)

// TestInterpreter: of this system's shell, of this test (whichever way it was
// built), and of files that are no programs.
func TestInterpreter(t *testing.T) {
	sh, err := os.Open("/bin/sh")
	if err != nil {
		t.Skipf("needs /bin/sh: %v", err)
	}
	defer sh.Close()
	name, err := config.Interpreter(sh)
	if err != nil {
		t.Fatal(err)
	}
	if name != "" {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("the interpreter of /bin/sh is %q: %v", name, err)
		}
	}
	dir := t.TempDir()
	elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
	elf[32], elf[54], elf[56] = 64, 56, 1
	segment := make([]byte, 56)
	segment[0], segment[8], segment[32] = 3, 120, 8
	for text, want := range map[string]string{
		"":                            "no ELF header",
		"short":                       "no ELF header",
		string(elf):                   "program header 0 is not there",
		string(elf) + string(segment): "the name of its ELF interpreter: ",
		string(elf) + string(segment) + "/lib/ld\x00": "<nil> /lib/ld",
		string(elf) + strings.Repeat("\x00", 56):      "<nil> ",
	} {
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := config.Interpreter(f)
		if got := fmt.Sprint(err, " ", name); !strings.Contains(got, want) {
			t.Errorf("%d bytes: %s, want %s", len(text), got, want)
		}
		f.Close()
	}
}

// TestInterpreterMustBeShown: by name, and where a symbolic link there leads to.
func TestInterpreterMustBeShown(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"lib64", "usr/lib"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/usr/lib/real", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../usr/lib/real", dir+"/lib64/ld"); err != nil {
		t.Fatal(err)
	}
	rules := config.Rules{Command: func(string) error { return nil }, Interpreter: func(string) (string, error) { return dir + "/lib64/ld", nil }}
	for entries, missing := range map[string][]string{
		"":                               {dir + "/lib64", dir + "/usr/lib"},
		`"%[1]s/lib64"`:                  {dir + "/usr/lib"},
		`"%[1]s/usr"`:                    {dir + "/lib64"},
		`"%[1]s/lib64", "%[1]s/usr/lib"`: nil,
		`"%[1]s/lib64/ld", "%[1]s/usr"`:  nil,
		`"%[1]s/lib6", "%[1]s/usr/lib"`:  {dir + "/lib64"},
	} {
		list := strings.ReplaceAll(entries, "%[1]s", dir)
		_, err := rules.Parse("x.hcl", []byte(fmt.Sprintf("worker \"it\" {\n  command = [\"/bin/it\"]\n  policy = \"p\"\n  read_only = [%s]\n}\n", list)))
		if len(missing) == 0 {
			if err != nil {
				t.Errorf("%s: %v", list, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "no entry for "+strings.Join(missing, " and ")+"\n") {
			t.Errorf("%s: %v, want %q missing", list, err, missing)
		}
	}
}
