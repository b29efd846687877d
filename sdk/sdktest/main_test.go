package sdktest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// language is one of the SDKs under test. command is the program of this name
// in testdata, ready to be started.
type language struct {
	name    string
	command func(t *testing.T, program string) *exec.Cmd
}

var languages = []language{{"python", python}, {"c", compiled}}

// built is where the programs in C are; made once for all tests, and for those
// in processes of their own.
var built = os.Getenv(builtVariable)

const builtVariable = "SDKTEST_BUILT"

const idle = "SDKTEST_IDLE" // a process with this does nothing

func TestMain(m *testing.M) {
	if os.Getenv(idle) != "" {
		os.Exit(0)
	}
	if built != "" {
		os.Exit(m.Run())
	}
	var err error
	if built, err = os.MkdirTemp("", "sdktest"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.Setenv(builtVariable, built)
	warm := exec.Command("/proc/self/exe") // opens what os/exec and the poller keep
	warm.Env = append(os.Environ(), idle+"=1")
	if err := warm.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(built)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func everyLanguage(t *testing.T, test func(*testing.T, language)) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) { test(t, l) })
	}
}

// atOnce is everyLanguage for tests that wait, and look at no table of the
// whole process.
func atOnce(t *testing.T, test func(*testing.T, language)) {
	everyLanguage(t, func(t *testing.T, l language) {
		t.Parallel()
		test(t, l)
	})
}

func python(t *testing.T, program string) *exec.Cmd {
	t.Helper()
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	cmd := exec.Command(interpreter, "testdata/"+program+".py", "../python")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	return cmd
}

func compiled(t *testing.T, program string) *exec.Cmd {
	t.Helper()
	binary := filepath.Join(built, program)
	if _, err := os.Stat(binary); err != nil {
		fresh := fmt.Sprintf("%s.%d", binary, os.Getpid()) // others may be at it too
		compile(t, "cc", "-std=c99", "-pedantic", "-O1", "-o", fresh, "testdata/"+program+".c")
		if err := os.Rename(fresh, binary); err != nil {
			t.Fatal(err)
		}
	}
	return exec.Command(binary)
}

func compile(t *testing.T, compiler string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(compiler)
	if err != nil {
		t.Skip("needs a C compiler")
	}
	args = append([]string{"-Wall", "-Wextra", "-Werror", "-I../c"}, args...)
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", compiler, strings.Join(args, " "), err, out)
	}
}

// TestHeaderInCXX: the header is part of C++ programs too.
func TestHeaderInCXX(t *testing.T) {
	if _, err := exec.LookPath("c++"); err != nil {
		t.Skip("needs a C++ compiler")
	}
	compile(t, "c++", "-std=c++11", "-x", "c++", "-fsyntax-only", "testdata/worker.c")
}
