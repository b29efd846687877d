package testenv

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const childVariable = "SALLYPORT_TEST_CHILD"

// InSubprocess runs the calling test again in a process of its own, and there
// returns true. In the test process itself it waits for that child, reports its
// failure with all that it printed, and returns false: the test then returns.
// attr may be nil; its Cloneflags can put the child into namespaces of its own.
//
//	if !testenv.InSubprocess(t, nil) {
//		return
//	}
func InSubprocess(t *testing.T, attr *syscall.SysProcAttr) bool {
	t.Helper()
	if os.Getenv(childVariable) == t.Name() {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.count=1")
	if dir := flag.Lookup("test.gocoverdir"); dir != nil && dir.Value.String() != "" {
		// What a child covers counts: see `make cover-sysvctl`.
		cmd.Args = append(cmd.Args, "-test.gocoverdir="+dir.Value.String())
	}
	cmd.Env = append(os.Environ(), childVariable+"="+t.Name(), "GORACE=atexit_sleep_ms=0") // a race build sleeps 1 s before it exits
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	switch text := string(out); {
	case err != nil:
		t.Fatalf("in a process of its own: %v\n%s", err, text)
	case strings.Contains(text, "--- SKIP"):
		t.Skip("needs " + after(text, "needs "))
	case !strings.Contains(text, "--- PASS: "+t.Name()):
		t.Fatalf("the child did not run the test:\n%s", text)
	case testing.Verbose():
		t.Logf("in a process of its own:\n%s", text)
	}
	return false
}

// PrivateIPC runs the calling test in a process and an IPC namespace of its
// own, so that its queues can neither meet others nor outlive it. It needs root.
func PrivateIPC(t *testing.T) bool {
	t.Helper()
	NeedRoot(t)
	return InSubprocess(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC})
}

func after(text, mark string) string {
	_, rest, found := strings.Cut(text, mark)
	if !found {
		return "what its child said"
	}
	line, _, _ := strings.Cut(rest, "\n")
	return line
}
