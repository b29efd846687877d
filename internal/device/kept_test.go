package device_test

import (
	"os"
	"path/filepath"
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/device"
	"sallyport/internal/testenv"
)

// TestKeptDescriptor: what a predecessor had open is used if it leads to the
// configured file and can only be read; anything else is closed.
func TestKeptDescriptor(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "value"), filepath.Join(dir, "other")
	for _, name := range []string{path, other} {
		if err := os.WriteFile(name, []byte("1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf := config.Device{Name: "value", Kind: "file", Path: path}
	for _, row := range []struct {
		what, path string
		flags      int
		used       bool
	}{
		{"the file", path, os.O_RDONLY, true},
		{"another file", other, os.O_RDONLY, false},
		{"the file, for both", path, os.O_RDWR, false},
		{"the file, for writing", path, os.O_WRONLY, false},
		{"a directory", dir, os.O_RDONLY, false},
	} {
		t.Run(row.what, func(t *testing.T) {
			testenv.CheckFDs(t)
			file, err := os.OpenFile(row.path, row.flags, 0)
			if err != nil {
				t.Fatal(err)
			}
			asked := ""
			d, err := device.Open(conf, device.Options{Kept: func(name string) *os.File { asked = name; return file }})
			if err != nil {
				t.Fatal(err)
			}
			if used := d.Opened()[0].File == file; used != row.used || asked != "value" {
				t.Errorf("used: %v, want %v; asked for %q", used, row.used, asked)
			}
			again, err := d.Reopen("value")
			if err != nil || again.File == file {
				t.Errorf("Reopen gave the kept one: %v", err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestKeptOfNothing: a device that nobody kept is opened as ever.
func TestKeptOfNothing(t *testing.T) {
	testenv.CheckFDs(t)
	conf := config.Device{Name: "load", Kind: "file", Path: "/proc/loadavg", Decode: "field:0"}
	d, err := device.Open(conf, device.Options{Kept: func(string) *os.File { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
