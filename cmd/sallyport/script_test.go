package main_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sallyport/internal/testenv"
)

// TestScripts runs what a person would type: testdata/script/*.txtar. There
// `exits N CMD...` is a command that must end with that exit code.
func TestScripts(t *testing.T) { scripts(t, testscript.Params{Dir: "testdata/script"}) }

// Each of these is a script of testdata/queue, in an IPC namespace where there
// is no queue before.
func TestQueueControl(t *testing.T)  { queueScript(t, "control") }
func TestQueueExchange(t *testing.T) { queueScript(t, "exchange") }
func TestQueueLanes(t *testing.T)    { queueScript(t, "lanes") }
func TestQueueFlood(t *testing.T)    { queueScript(t, "flood") }
func TestQueueGolden(t *testing.T)   { queueScript(t, "golden") }
func TestQueueShared(t *testing.T)   { queueScript(t, "shared") }

func queueScript(t *testing.T, name string) {
	t.Setenv(programsVariable, programs(t)) // the child need not build again
	if testenv.PrivateIPC(t) {
		scripts(t, testscript.Params{Files: []string{"testdata/queue/" + name + ".txtar"}})
	}
}

func scripts(t *testing.T, p testscript.Params) {
	dir := programs(t)
	p.UpdateScripts = os.Getenv("UPDATE_SCRIPTS") != ""
	p.Setup = func(e *testscript.Env) error {
		e.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		// Configurations must be in a folder that nobody else can write.
		return os.Chmod(e.WorkDir, 0o755)
	}
	p.Condition = func(cond string) (bool, error) { return cond == "root" && os.Geteuid() == 0, nil }
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "until": until, "documented": documented}
	testscript.Run(t, p)
}

// exits is the command `exits N CMD...`.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		coded, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = coded.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// untilTime is more than anything takes that a script waits for.
const untilTime = 30 * time.Second

// until is the command `until CMD...`: it is repeated until it succeeds.
func until(ts *testscript.TestScript, _ bool, args []string) {
	var err error
	for end := time.Now().Add(untilTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = ts.Exec(args[0], args[1:]...); err == nil {
			return
		}
	}
	ts.Fatalf("until %v: %v", args, err)
}
