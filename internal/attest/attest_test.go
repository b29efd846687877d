package attest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/launch"
	"sallyport/internal/launch/launchtest"
	"sallyport/internal/testenv"
)

var built launchtest.Built

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(dumpVariable) != "" {
		if err := dumpsUnderFilter(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if os.Geteuid() == 0 {
		var err error
		built, err = launchtest.Build()
		defer os.RemoveAll(built.Dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// victim starts one, and says what a proof of it should expect.
func victim(t *testing.T, spec launch.Spec) (*launchtest.Victim, attest.Expect) {
	t.Helper()
	testenv.NeedRoot(t)
	stage, err := os.Open(built.Stage)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Open(built.Victim)
	if err != nil {
		t.Fatal(err)
	}
	l, err := launch.New(stage)
	if err != nil {
		t.Fatal(err)
	}
	v, err := launchtest.StartFile(l, exe, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.End(); err != nil {
			t.Error(err)
		}
		l.Close()
		stage.Close()
		exe.Close()
	})
	if err := v.Expect("up"); err != nil {
		t.Fatal(err)
	}
	own, err := attest.OwnFilters()
	if err != nil {
		t.Fatal(err)
	}
	return v, attest.Expect{UID: launchtest.UID, GID: launchtest.GID, Filters: own + 1, Exe: exe}
}

func TestProveEachLevel(t *testing.T) {
	v, expect := victim(t, launch.Spec{})
	for level := 1; level <= attest.MaxLevel; level++ {
		proof, err := attest.Prove(v.Process, expect, level)
		if err != nil {
			t.Fatal(err)
		}
		if proof.Level() != level || proof.Took(1) == 0 || proof.Took(level+1) != 0 {
			t.Errorf("level %d: %+v", level, proof)
		}
		t.Log(proof)
	}
}

func TestProveManyThreads(t *testing.T) {
	v, expect := victim(t, launch.Spec{})
	if err := v.Tell("threads"); err != nil {
		t.Fatal(err)
	}
	for range 20 { // while the threads come
		if _, err := attest.Prove(v.Process, expect, 3); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Expect("threads=0"); err != nil {
		t.Fatal(err)
	}
}

func TestProveNamesWhatIsWrong(t *testing.T) {
	v, expect := victim(t, launch.Spec{})
	other, err := os.Open(built.Stage)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for name, c := range map[string]struct {
		change func(*attest.Expect)
		level  int
		want   string
	}{
		"uid":     {func(e *attest.Expect) { e.UID++ }, 1, "Uid is"},
		"gid":     {func(e *attest.Expect) { e.GID++ }, 1, "Gid is"},
		"filters": {func(e *attest.Expect) { e.Filters++ }, 1, "Seccomp_filters is"},
		"exe":     {func(e *attest.Expect) { e.Exe = other }, 2, "the worker executes inode"},
		"level":   {func(*attest.Expect) {}, 5, "there is no level 5"},
	} {
		changed := expect
		c.change(&changed)
		_, err := attest.Prove(v.Process, changed, c.level)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "victim") {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
}

// One eventfd may be the runtime's; two, or anything else, is too much.
func TestProveDescriptorTooMany(t *testing.T) {
	for _, word := range []string{"pipe", "eventfd"} {
		v, expect := victim(t, launch.Spec{Filter: launchtest.Filter(unix.SYS_PIPE2)})
		for range 2 {
			if err := v.Tell(word); err != nil {
				t.Fatal(err)
			}
			if err := v.Expect(word + "=0"); err != nil {
				t.Fatal(err)
			}
		}
		_, err := attest.Prove(v.Process, expect, 2)
		if err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "nothing was granted yet") {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// A shell keeps copies of its standard streams while it redirects them.
func TestProveCopiesOfStandardStreams(t *testing.T) {
	v, expect := victim(t, launch.Spec{Filter: launchtest.Filter(unix.SYS_FCNTL)})
	if err := v.Tell("copy-stdout"); err != nil {
		t.Fatal(err)
	}
	if err := v.Expect("copy-stdout=0"); err != nil {
		t.Fatal(err)
	}
	if _, err := attest.Prove(v.Process, expect, 3); err != nil {
		t.Error(err)
	}
}

// What a worker opened beneath its root to read is its own; a pipe is not, and
// neither is anything where the root is empty.
func TestProveDescriptorsItReads(t *testing.T) {
	v, expect := victim(t, launch.Spec{Filter: launchtest.Filter(unix.SYS_PIPE2, unix.SYS_OPENAT), ReadOnly: []string{"/usr"}})
	tell := func(word string) {
		t.Helper()
		if err := v.Tell(word); err != nil {
			t.Fatal(err)
		}
		if err := v.Expect(word + "=0"); err != nil {
			t.Fatal(err)
		}
	}
	expect.Root, expect.Reads = []string{"usr"}, true
	tell("hold-usr")
	if _, err := attest.Prove(v.Process, expect, 3); err != nil {
		t.Error(err)
	}
	none := expect
	none.Reads = false
	if _, err := attest.Prove(v.Process, none, 2); err == nil || !strings.Contains(err.Error(), `is "/usr": nothing was granted yet`) {
		t.Errorf("without entries: %v", err)
	}
	tell("pipe")
	if _, err := attest.Prove(v.Process, expect, 2); err == nil || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("a pipe: %v", err)
	}
}

// A program that reads its root may have copied what it was started with, and
// nothing more.
func TestProveDescriptorsCopied(t *testing.T) {
	v, expect := victim(t, launch.Spec{Filter: launchtest.Filter(unix.SYS_DUP3, unix.SYS_PIPE2)})
	if err := v.Tell("dup-20"); err != nil {
		t.Fatal(err)
	}
	if err := v.Expect("dup-20=0"); err != nil {
		t.Fatal(err)
	}
	if _, err := attest.Prove(v.Process, expect, 2); err == nil || !strings.Contains(err.Error(), "descriptor 20 is") {
		t.Errorf("a copy, of one that reads nothing: %v", err)
	}
	expect.Reads = true
	if _, err := attest.Prove(v.Process, expect, 2); err != nil {
		t.Errorf("a copy, of one that reads: %v", err)
	}
	if err := v.Tell("pipe"); err != nil {
		t.Fatal(err)
	}
	if err := v.Expect("pipe=0"); err != nil {
		t.Fatal(err)
	}
	if _, err := attest.Prove(v.Process, expect, 2); err == nil || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("a pipe: %v", err)
	}
}

func TestProveDeadWorker(t *testing.T) {
	v, expect := victim(t, launch.Spec{})
	proof, err := attest.Prove(v.Process, expect, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Check(); err != nil {
		t.Fatal(err)
	}
	if err := v.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Gone(); err != nil {
		t.Fatal(err)
	}
	if proof.Check() == nil {
		t.Error("the proof of a dead worker holds")
	}
	if _, err := attest.Prove(v.Process, expect, 1); err == nil {
		t.Error("a dead worker was proved")
	}
}

// What level 1 says of a worker that is not as it was, and nothing of a dead one.
func TestSweep(t *testing.T) {
	v, expect := victim(t, launch.Spec{})
	proof, err := attest.Prove(v.Process, expect, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Sweep(expect); err != nil {
		t.Error(err)
	}
	drifted := expect
	drifted.Filters++
	if err := proof.Sweep(drifted); err == nil || !strings.Contains(err.Error(), "Seccomp_filters is") {
		t.Errorf("drift: %v", err)
	}
	if err := v.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := proof.Sweep(drifted); err != nil {
		t.Errorf("a dead worker has drifted: %v", err)
	}
}

const goodStatus = `Uid:	7	7	7	7
Gid:	8	8	8	8
Groups:	 
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	1
`

// A status with any one line changed, or gone, is refused with its name.
func TestCheckStatusEveryLine(t *testing.T) {
	expect := attest.Expect{UID: 7, GID: 8, Filters: 1}
	if err := attest.CheckStatus(expect, goodStatus); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(goodStatus) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		bad := map[string]string{
			"gone":    strings.Replace(goodStatus, line, "", 1),
			"changed": strings.Replace(goodStatus, line, name+":\t"+value+"9\n", 1),
		}
		for how, status := range bad {
			if err := attest.CheckStatus(expect, status); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %s: %v", name, how, err)
			}
		}
	}
	expect.SharedID = true
	if err := attest.CheckStatus(expect, strings.Replace(goodStatus, "Groups:\t ", "Groups:\t65534", 1)); err != nil {
		t.Errorf("shared id: %v", err)
	}
}

func TestCheckMapsWritableExecutable(t *testing.T) {
	const good = "00400000-00500000 r-xp 00000000 fe:00 12 /x\n00500000-00600000 rw-p 00000000 00:00 0\n"
	if err := attest.CheckMaps(good); err != nil {
		t.Error(err)
	}
	err := attest.CheckMaps(good + "7f000000-7f001000 rwxp 00000000 00:00 0\n")
	if err == nil || !strings.Contains(err.Error(), "7f000000-7f001000") {
		t.Errorf("W+X: %v", err)
	}
}
