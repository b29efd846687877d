package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestArchive has cpio itself unpack it.
func TestArchive(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("needs cpio")
	}
	files := map[string]string{"/init": "first", "/a/b/c": "deep", "/a/empty": "", "/a/b/odd": strings.Repeat("x", 4097)}
	var raw bytes.Buffer
	a := newArchive(&raw)
	for name, text := range files {
		a.file(name, []byte(text))
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("cpio", "-i", "--quiet")
	cmd.Dir, cmd.Stdin = dir, &raw
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// A serial line of two binaries, with what a kernel may say in between.
const serial = "@@kernel 6.1 armv7l\r\n" +
	"@@begin a\r\n\x16=== RUN   TestGood\r\n\x16--- PASS: TestGood (0.00s)\r\n" +
	"\x16=== RUN   TestNot\r\n    a_test.go:3: needs a drill\r\n\x16--- SKIP: TestNot (0.00s)\r\n\x16PASS\r\n\r\n@@end a 0\r\n" +
	"@@begin b\r\n\x16=== RUN   TestBad\r\n[ 1.0] a word of the kernel\r\n\x16--- FAIL: TestBad (0.00s)\r\n\x16FAIL\r\n\r\n@@end b 1\r\n" +
	"@@said hello\r\n@@done\r\n"

var two = kind{name: "toy", tests: []binary{{pkg: "a"}, {pkg: "b"}}}

func TestListenCounts(t *testing.T) {
	out, err := listen(two, strings.NewReader(serial), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if s := out.sum; len(s.Passed) != 1 || len(s.Failed) != 1 || len(s.Skipped) != 1 || !out.done || out.kernel != "6.1 armv7l" {
		t.Errorf("%+v %+v", out, s)
	}
	if got := out.sum.Failed[0].String(); got != "sallyport/b [toy] TestBad" {
		t.Error(got)
	}
	if got := out.sum.Skipped[0].Reason(); got != "needs a drill" {
		t.Error(got)
	}
}

// Wherever the line breaks off, what did not end has failed.
func TestListenToAMachineThatStops(t *testing.T) {
	for cut := 0; cut < len(serial); cut += 41 {
		text := serial[:cut]
		out, err := listen(two, strings.NewReader(text), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, "@@end b 1") && out.sum.OK() {
			t.Fatalf("cut at %d, and called a success: %q", cut, text)
		}
		if got := strings.Count(text, "@@end "); len(out.sum.Failed) < 2-got {
			t.Fatalf("cut at %d: %d failed", cut, len(out.sum.Failed))
		}
		if out.done != strings.Contains(text, "@@done\r\n") {
			t.Fatalf("cut at %d: done %v", cut, out.done)
		}
	}
}

// A binary that dies after its last good word has failed all the same.
func TestListenBelievesTheExitStatus(t *testing.T) {
	one := kind{name: "toy", tests: []binary{{pkg: "a"}}}
	out, err := listen(one, strings.NewReader(strings.Replace(serial, "@@end a 0", "@@end a 2", 1)), io.Discard)
	if err != nil || len(out.sum.Failed) == 0 {
		t.Errorf("%+v, %v", out.sum, err)
	}
}
