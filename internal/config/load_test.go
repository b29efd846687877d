package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/testenv"
)

// place makes a directory of mode 0755 with one file in it.
func place(t *testing.T, name string, content []byte, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	must(t, os.Chmod(path, mode))
	must(t, os.Chmod(filepath.Dir(path), 0o755))
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused demands a refusal that says text.
func refused(t *testing.T, err error, text string) {
	t.Helper()
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Errorf("error %v, want a refusal that says %q", err, text)
	} else if !strings.Contains(err.Error(), text) {
		t.Errorf("the refusal does not say %q: %v", text, err)
	}
}

func TestLoad(t *testing.T) {
	testenv.CheckFDs(t)
	path := place(t, "house.hcl", []byte(minimal), 0o644)
	c, err := config.Load(path)
	if err != nil || c.Supervisor.Name != "house" || c.Path != path {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := config.Load(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	bad := place(t, "bad.hcl", []byte("worker {}"), 0o600)
	if _, err := config.Load(bad); err == nil || !strings.HasPrefix(err.Error(), bad+":1:") {
		t.Errorf("faulty file: %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	testenv.CheckFDs(t)
	for mode, text := range map[os.FileMode]string{0o666: "mode 0666", 0o664: "mode 0664", 0o602: "mode 0602"} {
		_, err := config.Load(place(t, "a.hcl", []byte(minimal), mode))
		refused(t, err, "the file can be written by others ("+text+")")
	}
	for _, mode := range []os.FileMode{0o777, 0o775, 0o777 | os.ModeSticky} {
		path := place(t, "a.hcl", []byte(minimal), 0o644)
		must(t, os.Chmod(filepath.Dir(path), mode))
		_, err := config.Load(path)
		refused(t, err, "its directory")
	}
	path := place(t, "a.hcl", []byte(minimal), 0o644)
	link := filepath.Join(filepath.Dir(path), "link.hcl")
	must(t, os.Symlink(path, link))
	_, err := config.Load(link)
	refused(t, err, "symbolic link")
	_, err = config.Load(filepath.Dir(path))
	refused(t, err, "not a file")
	fifo := filepath.Join(filepath.Dir(path), "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	_, err = config.Load(fifo)
	refused(t, err, "not a file")
	_, err = config.Load(place(t, "big.hcl", make([]byte, 10<<20), 0o644))
	refused(t, err, "10485760 bytes")
}

func TestLoadOwner(t *testing.T) {
	testenv.NeedRoot(t)
	path := place(t, "a.hcl", []byte(minimal), 0o644)
	must(t, os.Chown(path, 4321, 4321))
	_, err := config.Load(path)
	refused(t, err, "the file belongs to user 4321")
	if _, err := config.Load(path, 4321); err != nil {
		t.Errorf("with the owner named: %v", err)
	}
	must(t, os.Chown(path, 0, 0))
	must(t, os.Chown(filepath.Dir(path), 4321, 4321))
	_, err = config.Load(path, 4322)
	refused(t, err, "its directory")
	if _, err := config.Load(path, 4322, 4321); err != nil {
		t.Errorf("with the directory's owner named: %v", err)
	}
}

func TestBinary(t *testing.T) {
	testenv.CheckFDs(t)
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	path := place(t, "worker", self, 0o755)
	open := func(path string) error {
		f, err := config.Binary(path)
		if err != nil {
			return err
		}
		return f.Close()
	}
	must(t, open(path))
	link := filepath.Join(filepath.Dir(place(t, "other", nil, 0o644)), "link")
	must(t, os.Symlink(path, link))
	must(t, open(link))

	// A link in a directory of others is theirs to point elsewhere.
	must(t, os.Chmod(filepath.Dir(link), 0o777|os.ModeSticky))
	refused(t, open(link), "its directory")

	loop := filepath.Join(t.TempDir(), "loop")
	must(t, os.Symlink("loop", loop))
	refused(t, open(loop), "symbolic links")
	if err := open(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	must(t, os.Chmod(path, 0o775))
	refused(t, open(path), "the program can be written by others (mode 0775)")
	must(t, os.Chmod(path, 0o644))
	refused(t, open(path), "not executable")

	foreign := append([]byte{}, self[:4096]...)
	foreign[18], foreign[19] = 0xf3, 0xff
	object := append([]byte{}, self[:4096]...)
	object[16] = 1
	for text, content := range map[string][]byte{
		"script":          []byte("#!/bin/sh\nexit 0\n"),
		"not an ELF file": []byte("\x7fEL"),
		"ELF machine":     foreign,
		"another kind":    object,
	} {
		refused(t, open(place(t, "worker", content, 0o755)), text)
	}
	refused(t, open(t.TempDir()), "not a file")
}

func TestBinaryOwner(t *testing.T) {
	testenv.NeedRoot(t)
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	path := place(t, "worker", self, 0o755)
	must(t, os.Chown(path, 4321, 0))
	_, err = config.Binary(path)
	refused(t, err, "the program belongs to user 4321")
	f, err := config.Binary(path, 4321)
	must(t, err)
	must(t, f.Close())
}
