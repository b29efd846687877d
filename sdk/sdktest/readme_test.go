package sdktest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
)

// block writes the code of this kind that a README shows to a file.
func block(t *testing.T, readme, kind, to string) string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```"+kind+"\n")
	code, _, ended := strings.Cut(rest, "\n```\n")
	if !found || !ended {
		t.Fatalf("%s has no block of %s", readme, kind)
	}
	to = filepath.Join(t.TempDir(), to)
	if err := os.WriteFile(to, []byte(code+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestReadmeWorkers: what a reader copies first builds and sends a reading.
func TestReadmeWorkers(t *testing.T) {
	t.Parallel()
	if !testenv.PrivateIPC(t) {
		return
	}
	commands := map[string]func(*testing.T) *exec.Cmd{
		"python": func(t *testing.T) *exec.Cmd {
			cmd := python(t, "")
			cmd.Args = []string{cmd.Args[0], block(t, "../python/README.md", "python", "worker.py")}
			cmd.Env = append(cmd.Env, "PYTHONPATH=../python")
			return cmd
		},
		"c": func(t *testing.T) *exec.Cmd {
			source := block(t, "../c/README.md", "c", "worker.c")
			binary := strings.TrimSuffix(source, ".c")
			compile(t, "cc", "-std=c99", "-pedantic", "-O1", "-o", binary, source)
			return exec.Command(binary)
		},
	}
	atOnce(t, func(t *testing.T, l language) {
		lanes := workertest.NewLanes(t)
		p := workertest.Program(t, 1, commands[l.name](t))
		p.GrantBells(lanes, nil)
		p.Grant("load", scmrights.KindAttribute, workertest.Memfd(t, "0.25 0.5 1\n"))
		p.Start(lane.Start{
			Settings: map[string]string{"every": "1h"},
			Sensors:  []lane.Sensor{workertest.Sensor(7, "load", "load", "field:1")}, Send: []lane.Out{lanes.Out(2)},
		})
		p.Ready()
		item, err := lanes.Receiver(2, 1).Receive(t.Context())
		if err != nil || item.Frame.Kind != reading.Reading || item.Frame.Value != 0.5 || item.Frame.Sensor != 7 {
			t.Errorf("%+v, %v", item, err)
		}
		p.Stop()
		if err := p.End(); err != nil {
			t.Errorf("%v\n%s", err, p.Stderr.String())
		}
	})
}
