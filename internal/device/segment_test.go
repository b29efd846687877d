package device_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/device"
	"sallyport/internal/testenv"
)

var (
	day  = time.Date(2026, 7, 1, 23, 30, 0, 0, time.FixedZone("UTC-2", -2*3600)) // the 2nd in UTC
	line = "2026-07-02T01:30:00.000Z,fridge,4.000,C,1\n"
)

const dayFile = "2026-07-02.csv"

func TestSegmentNew(t *testing.T) {
	testenv.CheckFDs(t)
	dir := filepath.Join(t.TempDir(), "data")
	f, cut, err := device.Segment(dir, day)
	must(t, err)
	if cut != 0 || filepath.Base(f.Name()) != dayFile {
		t.Errorf("%s, cut %d", f.Name(), cut)
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	must(t, err)
	if flags&(unix.O_ACCMODE|unix.O_APPEND|unix.O_NONBLOCK) != unix.O_WRONLY|unix.O_APPEND {
		t.Errorf("flags %#x", flags)
	}
	_, err = io.WriteString(f, line)
	must(t, err)
	_, err = f.Seek(0, io.SeekStart)
	must(t, err)
	_, err = io.WriteString(f, line) // appended all the same
	must(t, err)
	must(t, f.Close())
	content, err := os.ReadFile(filepath.Join(dir, dayFile))
	must(t, err)
	if string(content) != device.Header+line+line {
		t.Errorf("%q", content)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o750, filepath.Join(dir, dayFile): 0o640} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}
}

func TestSegmentRepairs(t *testing.T) {
	testenv.CheckFDs(t)
	long := strings.Repeat("x", 200<<10)
	for name, tc := range map[string]struct {
		have, want string
	}{
		"whole":             {device.Header + line, device.Header + line},
		"header only":       {device.Header, device.Header},
		"empty":             {"", device.Header},
		"torn header":       {device.Header[:10], device.Header},
		"header, no end":    {strings.TrimSpace(device.Header), device.Header},
		"torn line":         {device.Header + line + line[:7], device.Header + line},
		"first line torn":   {device.Header + line[:7], device.Header},
		"line without end":  {device.Header + line + strings.TrimSpace(line), device.Header + line},
		"zeros":             {device.Header + line + strings.Repeat("\x00", 9000), device.Header + line},
		"zeros only":        {strings.Repeat("\x00", 4096), device.Header},
		"torn by 200 KiB":   {device.Header + line + long, device.Header + line},
		"newline at a seam": {device.Header + strings.Repeat("y", 64<<10) + "\n" + strings.Repeat("x", 64<<10), device.Header + strings.Repeat("y", 64<<10) + "\n"},
	} {
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o750))
		path := filepath.Join(dir, dayFile)
		must(t, os.WriteFile(path, []byte(tc.have), 0o640))
		f, cut, err := device.Segment(dir, day)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		must(t, f.Close())
		got, err := os.ReadFile(path)
		must(t, err)
		kept := len(tc.want)
		if tc.want == device.Header && !strings.HasPrefix(tc.have, device.Header) {
			kept = 0
		}
		if string(got) != tc.want || cut != int64(len(tc.have)-kept) {
			t.Errorf("%s: cut %d of %d bytes, left %.80q", name, cut, len(tc.have), got)
		}
	}
}

func TestSegmentRefuses(t *testing.T) {
	testenv.CheckFDs(t)
	for text, spoil := range map[string]func(t *testing.T, dir string) string{
		"no day file":          func(t *testing.T, dir string) string { return write(t, dir, "root:x:0:0\n") },
		"it is no day file":    func(t *testing.T, dir string) string { return write(t, dir, "a text without an end") },
		"has 2 names":          func(t *testing.T, dir string) string { must(t, os.Link(write(t, dir, ""), dir+"/other")); return dir },
		"too many":             func(t *testing.T, dir string) string { must(t, os.Symlink("/etc/passwd", dir+"/"+dayFile)); return dir },
		"is not a file":        func(t *testing.T, dir string) string { must(t, unix.Mkfifo(dir+"/"+dayFile, 0o600)); return dir },
		"(mode 0666)":          func(t *testing.T, dir string) string { must(t, os.Chmod(write(t, dir, ""), 0o666)); return dir },
		"(mode 0770)":          func(t *testing.T, dir string) string { must(t, os.Chmod(dir, 0o770)); return dir },
		"(mode 1777)":          func(t *testing.T, dir string) string { must(t, os.Chmod(dir, 0o777|os.ModeSticky)); return dir },
		"not a directory":      func(t *testing.T, dir string) string { write(t, dir, ""); return dir + "/" + dayFile },
		"symbolic link to one": func(t *testing.T, dir string) string { must(t, os.Symlink(dir, dir+"/l")); return dir + "/l" },
		"no such file":         func(t *testing.T, dir string) string { return dir + "/no/such" },
	} {
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o750))
		at := spoil(t, dir)
		if filepath.Base(at) == dayFile && text != "not a directory" {
			at = dir
		}
		f, _, err := device.Segment(at, day)
		if err == nil {
			must(t, f.Close())
		}
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSegmentOwner(t *testing.T) {
	testenv.NeedRoot(t)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o750))
	path := write(t, dir, device.Header)
	must(t, os.Chown(path, 4321, 4321))
	if _, _, err := device.Segment(dir, day); err == nil || !strings.Contains(err.Error(), "belongs to user 4321") {
		t.Errorf("foreign file: %v", err)
	}
	must(t, os.Chown(path, 0, 0))
	must(t, os.Chown(dir, 4321, 4321))
	if _, _, err := device.Segment(dir, day); err == nil || !strings.Contains(err.Error(), "belongs to user 4321") {
		t.Errorf("foreign directory: %v", err)
	}
	f, _, err := device.Segment(dir, day, 4321)
	must(t, err)
	must(t, f.Close())
}

func write(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, dayFile)
	must(t, os.WriteFile(path, []byte(text), 0o640))
	return path
}
